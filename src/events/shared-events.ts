/** A broker program, as `mosquitto` and `2.0.11`. */
export interface Product {
  name: string;
  version: string;
}

/** Events that clients, broker, lessons and checks all emit. */
interface SharedEvents {
  warning: { code: string; message: string; hint: string };
  error: { code: string; message: string; hint: string };
}
export type SharedEvent = EventsOf<SharedEvents>;

/** The union of the events in a table of their fields by name. */
export type EventsOf<Table> = { [Name in keyof Table]: { event: Name } & Table[Name] }[keyof Table];
