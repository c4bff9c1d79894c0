interface Node<Subscriber, Subscription> {
  readonly children: Map<string, Node<Subscriber, Subscription>>;
  readonly subscribers: Map<Subscriber, Subscription>;
}

const newNode = <Subscriber, Subscription>(): Node<Subscriber, Subscription> => ({
  children: new Map(),
  subscribers: new Map(),
});

/** Finds the subscriptions whose topic filters match a topic name (MQTT 3.1.1, 4.7). */
export class SubscriptionTrie<Subscriber, Subscription> {
  readonly #root = newNode<Subscriber, Subscription>();

  set(topicFilter: string, subscriber: Subscriber, subscription: Subscription): void {
    let node = this.#root;
    for (const level of topicFilter.split("/")) {
      const child = node.children.get(level) ?? newNode();
      node.children.set(level, child);
      node = child;
    }
    node.subscribers.set(subscriber, subscription);
  }

  delete(topicFilter: string, subscriber: Subscriber): void {
    const path = [this.#root];
    const levels = topicFilter.split("/");
    for (const level of levels) {
      const child = path.at(-1)?.children.get(level);
      if (!child) return;
      path.push(child);
    }
    path.at(-1)?.subscribers.delete(subscriber);
    for (const [i, level] of levels.toReversed().entries()) {
      const node = path.at(-1 - i);
      if (!node || node.subscribers.size > 0 || node.children.size > 0) return;
      path.at(-2 - i)?.children.delete(level);
    }
  }

  /** Calls back for each subscription that matches: several times for a subscriber with several such filters. */
  match(topicName: string, found: (subscriber: Subscriber, subscription: Subscription) => void): void {
    const levels = topicName.split("/");
    const report = ({ subscribers }: Node<Subscriber, Subscription>) => {
      for (const [subscriber, subscription] of subscribers) found(subscriber, subscription);
    };
    const walk = (node: Node<Subscriber, Subscription>, at: number): void => {
      // A filter that begins with a wildcard matches no topic that begins with $ [MQTT-4.7.2-1].
      const wild = at > 0 || !topicName.startsWith("$");
      const rest = wild && node.children.get("#"); // it matches its parent too
      if (rest) report(rest);
      if (at === levels.length) return report(node);
      const exact = node.children.get(levels[at] ?? "");
      if (exact) walk(exact, at + 1);
      const one = wild && node.children.get("+");
      if (one) walk(one, at + 1);
    };
    walk(this.#root, 0);
  }
}
