import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { LessonEvent, ProcessEvent, Product, Sink } from "../../events/events.js";
import { type BrokerAddress, parseAddress } from "../../connection/broker-url.js";
import { isUserError } from "../../util/errors.js";
import { LinkProxy } from "../../link/link-proxy.js";
import { ProcessGroup } from "./process-group.js";
import { EventOrderer } from "./event-orderer.js";
import { cleanUp } from "./cleanup.js";
import type { KnownBrokers, KnownDeviation } from "../known-deviations.js";
import { Expectations, ExpectationError } from "./expectations.js";
import { EventLog } from "./event-log.js";
import {
  type LessonNames,
  NAMES_ALONE,
  substituteNames,
  namesAmongOthers,
  ownNames,
} from "../language/namespacing.js";
import { pythonWithPaho } from "./find-python.js";
import { type LessonPrompts, Quiz } from "./quiz.js";
import { withoutPassword } from "../language/args-sandbox.js";
import type { Invocation, ProcessSettings } from "./lesson-process.js";
import type { Lesson, Step, Steps } from "../language/lesson-schema.js";
import { BROKER, COMMANDS, SLIDE_CODE } from "../language/constants.js";
import {
  brokersOf,
  identifyBroker,
  type BrokerInfo,
  type OutsideBroker,
  type Place,
  reachBroker,
} from "./probe-broker.js";
import { purposeOf } from "./failure-messages.js";

export interface RunSettings {
  /** The folder of the committed bin/*.cjs. */
  binDir: string;
  /** Null: a bundled one of the lesson's own. */
  outside: OutsideBroker | null;
  /** What is known of that already; null: it is found out first. */
  met: BrokerInfo | null;
  /** What it is, if somebody has said so. */
  product: Product | null;
  knownBrokers: KnownBrokers;
  /** The bundled one keeps its data on disk. */
  onDisk: boolean;
  audience: LessonPrompts;
  /** The built-in lesson after this one. */
  next: string | null;
  /** Ends the run early; its processes are stopped first. */
  signal: AbortSignal;
}

export type LessonResult = Extract<LessonEvent, { event: "result" }>;
export type LessonSink = Sink<LessonEvent | ProcessEvent>;

/** Seconds, at the most, that what is known not to come is waited for. */
const KNOWN_WITHIN = 5;
/** Seconds that the broker has to say where it listens. */
const BROKER_START = 10;

/**
 * Runs a lesson over real processes, its own broker first, and ends them all before it returns. Nothing is thrown
 * for what a lesson finds: `result`, the last event and the return value, tells.
 * @throws UserError when another broker can't be used
 */
export async function runLesson(
  lesson: Lesson,
  settings: RunSettings,
  sink: LessonSink,
): Promise<LessonResult> {
  const folder = await mkdtemp(path.join(tmpdir(), "lwt-lesson-"));
  const run = new Run(lesson, settings, folder, sink);
  try {
    await run.play();
  } finally {
    await run.end();
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
  const result = run.result();
  await sink(result);
  return result;
}

class Run {
  readonly #lesson: Lesson;
  readonly #names: LessonNames;
  readonly #settings: RunSettings;
  readonly #folder: string;
  readonly #sink: LessonSink;
  readonly #journal = new EventLog();
  /** Aborted when the lesson can't go on: Ctrl-C, or a process that died. */
  readonly #over = new AbortController();
  readonly #cast = new ProcessGroup(this.#journal, this.#over);
  readonly #chronology = new EventOrderer(event => this.#tell(event));
  /** Processes that can't be run here, and what was to be remembered of optional claims that did not hold. */
  readonly #absent = new Set<string>();
  #known: readonly KnownDeviation[] = [];
  #python: string | null = null;
  #skipped: keyof typeof SKIPPED | null = null;
  /** By the processes at their ends, which the lesson cuts off: one, or one to each of several brokers. */
  readonly #cables = new Map<string, readonly LinkProxy[]>();
  #brokerUrl = "";
  /** The same, where that is only a name. */
  #reached = "";
  #begun = false;
  #number = 0;
  #held = 0;
  #failed = 0;
  #deviations = 0;
  #notObserved = 0;
  readonly #predictions: Quiz;
  readonly #expectations: Expectations;

  constructor(lesson: Lesson, settings: RunSettings, folder: string, sink: LessonSink) {
    this.#names = settings.outside ? namesAmongOthers() : NAMES_ALONE;
    this.#lesson = substituteNames(lesson, this.#names);
    this.#settings = settings;
    this.#brokerUrl = settings.outside?.broker ?? "";
    this.#folder = folder;
    this.#sink = sink;
    this.#predictions = new Quiz(settings.audience, sink);
    this.#expectations = new Expectations(this.#journal);
  }

  async play(): Promise<void> {
    const { signal, outside, onDisk } = this.#settings;
    const has = (kind: Step["kind"]) => this.#lesson.steps.some(step => step.kind === kind);
    if (outside && this.#lesson.steps.some(endsOrStartsBroker)) return this.#skip("needs-own-broker");
    if (has("failover") && brokersOf(outside).length < 2) return this.#skip("needs-broker-list");
    const leave = () => this.#over.abort(new Error("the lesson was left"));
    if (signal.aborted) leave();
    signal.addEventListener("abort", leave);
    if (outside) await this.#meet(outside);
    if (this.#lesson.steps.some(speaksMqtt5)) {
      // The broker answers, as was just seen: if not to this, it does not speak it.
      const isSpoken = outside !== null && (await succeeds(reachBroker(outside, this.#place, MQTT_5)));
      if (!isSpoken) return this.#skip("needs-mqtt5");
    }
    const wired = has("failover") ? brokersOf(outside) : has("cut") ? [this.#reached] : [];
    if (wired.some(url => /^(mqtts|wss):/.test(url))) return this.#skip("needs-plain-tcp");
    this.#begun = true;
    await this.#sink(lessonEvent(this.#lesson, outside?.broker));
    await this.#findPython();
    const first = outside || startsBrokerItself(this.#lesson) ? [] : brokerFirst(onDisk);
    for (const step of [...first, ...this.#lesson.steps]) {
      if (!(await this.#succeeds(step))) break;
    }
    if (this.#failed === 0 && !signal.aborted) await this.#predictions.reveal();
    signal.removeEventListener("abort", leave);
  }

  get #place(): Place {
    const { binDir, signal } = this.#settings;
    return { binDir, folder: this.#folder, signal };
  }

  async #meet(outside: OutsideBroker): Promise<void> {
    const { knownBrokers, product } = this.#settings;
    const { name } = this.#lesson;
    const matters = knownBrokers.mention(name);
    const met =
      this.#settings.met ?? (await identifyBroker(outside, matters ? product : undefined, this.#place));
    const known = knownBrokers.deviationsOf(met.product).filter(({ lesson }) => lesson === name);
    this.#known = substituteNames(known, this.#names);
    this.#reached = met.url;
  }

  async #skip(why: keyof typeof SKIPPED): Promise<void> {
    this.#skipped = why;
    await this.#sink(lessonEvent(this.#lesson, this.#settings.outside?.broker));
    await this.#sink({ event: "warning", ...SKIPPED[why] });
  }

  /** For the slide's lines, if the lesson has them; where there is none, they are left out, and that is said. */
  async #findPython(): Promise<void> {
    const starts = this.#lesson.steps.filter(
      step => step.kind === "start" && step.run.command === SLIDE_CODE,
    );
    if (starts.length === 0) return;
    const { outside } = this.#settings;
    this.#python = !outside || outside.broker.startsWith("mqtt:") ? await pythonWithPaho() : null;
    if (this.#python !== null) return;
    for (const step of starts) if (step.kind === "start") this.#absent.add(step.start);
    await this.#sink({ event: "warning", ...NO_PAHO });
  }

  /** Ends its processes, and where the broker goes on, what it left there. */
  async end(): Promise<void> {
    for (const [process, cables] of this.#cables)
      if (cables.some(cable => cable.isCut)) await this.#turn(process, "mended");
    await this.#cast.dismiss();
    for (const cable of [...this.#cables.values()].flat()) cable.close();
    if (this.#settings.outside === null || !this.#begun) return;
    const commands = this.#lesson.cleanup.map(line => this.#processSettings(line, null));
    await cleanUp(commands, this.#sink);
  }

  result(): LessonResult {
    const left = this.#settings.signal.aborted;
    const [held, failed] = [this.#held, this.#failed];
    const skipped = left ? "interrupted" : this.#skipped;
    const passed = failed === 0 && skipped === null;
    return {
      event: "result",
      lesson: this.#lesson.name,
      passed,
      held,
      failed,
      skipped,
      deviations: this.#deviations,
      notObserved: this.#notObserved,
      next: passed ? this.#settings.next : null,
      ...this.#predictions.score,
    };
  }

  /** A failure ends the lesson: what comes after it would only fail for the same reason. */
  async #succeeds(step: Step): Promise<boolean> {
    try {
      this.#over.signal.throwIfAborted();
      await this.#perform(step.kind, step);
      return true;
    } catch (error) {
      if (!this.#settings.signal.aborted) await this.#fail(step, error);
      return false;
    }
  }

  async #fail(step: Step, error: unknown): Promise<void> {
    this.#failed++;
    const instead = error instanceof Error ? error.message : String(error);
    const clause = step.kind === "expect" ? (step.clause ?? null) : null;
    const verdict = { what: purposeOf(step), held: false, clause, instead, mandatory: true };
    await this.#sink({ event: "expected", ...verdict, deviation: false, reason: null, seconds: null });
  }

  #perform<Kind extends Step["kind"]>(kind: Kind, step: Steps[Kind]): Promise<void> {
    if ([...namesIn(step), ...needsOf(step)].some(name => this.#absent.has(name)))
      return this.#leaveOut(step);
    const act: { [Each in Step["kind"]]: (step: Steps[Each]) => Promise<void> } = {
      say: ({ say }) => this.#say(say),
      start: started => this.#start(started),
      stop: ({ stop }) => this.#cast.stop(stop),
      kill: ({ kill }) => this.#cast.kill(kill),
      cut: ({ cut }) => this.#turn(cut, "cut"),
      mend: ({ mend }) => this.#turn(mend, "mended"),
      failover: ({ failover }) => this.#turn(failover, "failed"),
      expect: expected => this.#expect(expected),
      predict: question => this.#predictions.ask(question),
    };
    return act[kind](step);
  }

  async #leaveOut(step: Step): Promise<void> {
    if (step.kind === "expect" && step.what !== undefined) this.#notObserved++;
  }

  async #start({ start, run, exit }: Steps["start"]): Promise<void> {
    if (!this.#cables.has(start)) this.#cables.set(start, await this.#cablesOf(start));
    await this.#cast.start(this.#processSettings(run, start), exit);
  }

  /** None, where the lesson has no need of them. */
  async #cablesOf(process: string): Promise<LinkProxy[]> {
    const { steps } = this.#lesson;
    const to = (url: () => string) => LinkProxy.to(() => parseAddress(url()) as BrokerAddress);
    if (steps.some(step => step.kind === "failover" && step.failover === process))
      return Promise.all(brokersOf(this.#settings.outside).map(url => to(() => url)));
    const isCutOff = steps.some(step => step.kind === "cut" && step.cut === process);
    return isCutOff ? [await to(() => this.#reached)] : [];
  }

  /** Told before all that the processes say of it. */
  async #turn(process: string, state: "cut" | "failed" | "mended"): Promise<void> {
    const cables = this.#cables.get(process) ?? [];
    const used = cables.filter(({ isUsed }) => isUsed);
    if (state === "failed" && used.length === 0)
      throw new Error(`${process} is connected to no broker that could fail it`);
    const told = { time: new Date().toISOString(), event: "link", process, state } as const;
    const taken = this.#chronology.take(told);
    if (state === "failed") for (const cable of used) cable.fail();
    else for (const cable of cables) cable[state === "cut" ? "cut" : "mend"]();
    await taken;
    await this.#chronology.passed(event => event === told);
  }

  async #say(say: string): Promise<void> {
    await this.#predictions.reveal();
    await this.#settings.audience.ready();
    this.#over.signal.throwIfAborted();
    this.#number++;
    await this.#sink({ event: "step", number: this.#number, say });
  }

  /** @param name as the lesson calls it; null: it is not part of the story */
  #processSettings({ command, args: given }: Invocation, name: string | null): ProcessSettings {
    const { outside, binDir } = this.#settings;
    const isClient = COMMANDS[command] === "client";
    const { args, environment } = withoutPassword(given);
    const own = isClient && outside ? ownNames(args, this.#names, name) : [];
    const cables = this.#cables.get(name ?? "") ?? [];
    const near = cables.map(({ url }) => url).join(",");
    // The slide's lines know of one broker.
    const far = command === SLIDE_CODE ? this.#reached : this.#brokerUrl;
    const all = [...args, ...own, ...(isClient ? ["--broker", near || far] : [])];
    const shown = name ?? command;
    return {
      name: shown,
      command,
      args: all,
      binDir,
      folder: this.#folder,
      python: this.#python,
      environment: isClient ? { ...outside?.environment, ...environment } : {},
      onStart: pid =>
        name === null
          ? undefined
          : this.#sink({ event: "process", name, pid, command: [command, ...all].map(asTyped).join(" ") }),
      onEvent: event => (name === null ? undefined : this.#chronology.take(event)),
      onSilence: () => {
        for (const cable of cables) cable.processEnded();
        return this.#chronology.passed(event => event.process === shown);
      },
    };
  }

  /** Shown before it is judged, so that a verdict never comes ahead of its evidence. */
  async #tell(event: ProcessEvent): Promise<void> {
    if (event.process === BROKER && event.event === "listening") this.#brokerUrl = this.#reached = event.url;
    // What a process minds that was cut off is nobody's trouble.
    if (this.#settings.signal.aborted && event.event === "error") return;
    await this.#sink(event);
    this.#journal.record(event);
  }

  async #expect(step: Steps["expect"]): Promise<void> {
    if (this.#settings.outside && step.from === BROKER) return this.#leaveOut(step);
    const { what, clause = null, optional } = step;
    const known = this.#known.find(({ claim }) => claim === what);
    try {
      const waiting = known ? { ...step, within: Math.min(step.within, KNOWN_WITHIN) } : step;
      const seconds = await this.#expectations.meet(waiting, known?.instead, this.#over.signal);
      const verdict = { what: purposeOf(step), held: true, clause };
      if (what === undefined) return await this.#sink({ event: "observed", ...verdict });
      this.#held++;
      const more = { instead: null, mandatory: !optional, deviation: false, reason: null, seconds };
      await this.#sink({ event: "expected", ...verdict, ...more });
    } catch (error) {
      if (!(error instanceof ExpectationError) || !(optional || known)) throw error;
      await this.#deviate(step, error.message, known);
    }
  }

  /** Nothing has failed, so the lesson goes on. */
  async #deviate(step: Steps["expect"], instead: string, known: KnownDeviation | undefined): Promise<void> {
    this.#deviations++;
    if (step.as !== undefined) this.#absent.add(step.as);
    const verdict = { what: purposeOf(step), held: false, clause: step.clause ?? null, instead };
    const more = { mandatory: !step.optional, deviation: true, reason: known?.reason ?? null, seconds: null };
    await this.#sink({ event: "expected", ...verdict, ...more });
  }
}

const NO_PAHO = {
  code: "no-paho",
  message: "there is no Python with paho-mqtt 1.x here: what it would do is left out.",
  hint: 'To see it: pip install "paho-mqtt<2", and run the lesson again.',
};

async function succeeds(attempt: Promise<unknown>): Promise<boolean> {
  try {
    await attempt;
    return true;
  } catch (error) {
    if (!isUserError(error)) throw error;
    return false;
  }
}

const WITHOUT = "Run the lesson without --broker.";
const SKIPPED = {
  "needs-own-broker": {
    code: "not-our-broker",
    message: "the broker is not the lesson's own to end and start again.",
    hint: WITHOUT,
  },
  "needs-plain-tcp": {
    code: "no-cable",
    message: "what plays the cable has not the name that is in the certificate of a broker over TLS.",
    hint: WITHOUT,
  },
  "needs-broker-list": {
    code: "no-other-broker",
    message: "the lesson is about brokers that take each other's place, and there is one.",
    hint: "Run it on several that share sessions, such as a cluster: --broker a,b,c",
  },
  "needs-mqtt5": {
    code: "no-mqtt-5",
    message: "the lesson is about MQTT 5, and this broker does not speak it.",
    hint: "Run it on one that does, such as Mosquitto 2: --broker HOST",
  },
};

const MQTT_5 = ["--protocol-version", "5"];
const speaksMqtt5 = (step: Step): boolean =>
  step.kind === "start" && /(^| )(-V|--protocol-version)[ =]?(5|mqttv5)( |$)/.test(step.run.args.join(" "));

/** The processes that a step is about. */
function namesIn(step: Step): string[] {
  const names: { [Kind in Step["kind"]]: (step: Steps[Kind]) => string[] } = {
    say: () => [],
    predict: () => [],
    start: ({ start }) => [start],
    stop: ({ stop }) => [stop],
    kill: ({ kill }) => [kill],
    cut: ({ cut }) => [cut],
    mend: ({ mend }) => [mend],
    failover: ({ failover }) => [failover],
    expect: ({ from }) => [from],
  };
  const named = <Kind extends Step["kind"]>(kind: Kind, one: Steps[Kind]) => names[kind](one);
  return named(step.kind, step);
}

const needsOf = (step: Step): string[] =>
  step.kind === "expect" && step.needs !== undefined ? [step.needs] : [];

/** As a shell takes it for one word. */
const asTyped = (word: string): string => (/^[^\s"'$`\\]+$/.test(word) ? word : JSON.stringify(word));

/** The lesson's broker, on a free port. */
function brokerFirst(onDisk: boolean): Step[] {
  const args = ["--port", "0", ...(onDisk ? ["--data", "broker-data"] : [])];
  const listening = { expect: "listening", from: BROKER, where: {}, within: BROKER_START, times: 1 };
  return [
    { kind: "start", start: BROKER, run: { command: "lwt-broker", args }, exit: 0 },
    { kind: "expect", ...listening, optional: false },
  ];
}

/** Before any other process. */
const startsBrokerItself = ({ steps }: Lesson): boolean => {
  const first = steps.find(step => step.kind === "start");
  return first?.start === BROKER;
};

const endsOrStartsBroker = (step: Step): boolean => step.kind !== "expect" && namesIn(step).includes(BROKER);

/** What a lesson is, and who takes part in it: the broker, by its address where it isn't bundled, and each process once. */
export function lessonEvent(
  { name, title, claims, steps }: Lesson,
  broker = "lwt-broker",
): Extract<LessonEvent, { event: "lesson" }> {
  const commands = new Map<string, string>([[BROKER, broker]]);
  for (const step of steps) if (step.kind === "start") commands.set(step.start, step.run.command);
  const participants = [...commands].map(([participant, command]) => ({ name: participant, command }));
  return { event: "lesson", name, title, claims, participants };
}
