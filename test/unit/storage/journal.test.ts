import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { HEADER_BYTES, sealBatch } from "../../../src/storage/batch.js";
import { FieldReader, FieldWriter } from "../../../src/storage/field-codec.js";
import { type TornTail, Journal } from "../../../src/storage/journal.js";
import { repair } from "../../../src/storage/repair.js";
import { isUserError } from "../../../src/util/errors.js";
import { temporaryFolder } from "../../support/processes.js";

interface Opened {
  journal: Journal;
  cut: TornTail | null;
  texts: string[];
}

async function opened(folder: string): Promise<Opened> {
  const texts: string[] = [];
  const { journal, cut } = await Journal.open(
    { folder, sync: "write", option: "--data", onDiskError: () => {} },
    records => {
      while (!records.isAtEnd) texts.push(records.data().toString());
    },
  );
  return { journal, cut, texts };
}

const write = (journal: Journal, text: string) =>
  new Promise<void>(resolve => journal.append(fields => fields.data(text), resolve));

/** A journal of these batches, closed; where each batch ends in its file. */
async function written(
  t: TestContext,
  batches: string[][],
): Promise<{ folder: string; file: string; ends: number[] }> {
  const folder = temporaryFolder(t);
  const { journal } = await opened(folder);
  const ends: number[] = [];
  for (const batch of batches) {
    await Promise.all(batch.map(text => write(journal, text)));
    ends.push(journal.bytes);
  }
  await journal.close();
  return { folder, file: path.join(folder, "journal-00000001"), ends };
}

async function reading(folder: string): Promise<Opened | string> {
  try {
    const found = await opened(folder);
    await found.journal.close();
    return found;
  } catch (error) {
    assert.ok(isUserError(error), String(error));
    return error.message;
  }
}

async function refusal(folder: string): Promise<string> {
  const found = await reading(folder);
  return typeof found === "string" ? found : assert.fail(`it read ${JSON.stringify(found.texts)}`);
}

const BATCHES = [["one", "two"], ["three"], ["four", "five"]];

test("a batch has CRC-32 as its checksum", () => {
  const batch = Buffer.concat([Buffer.alloc(HEADER_BYTES), Buffer.from("123456789")]);
  sealBatch(batch, 1);
  assert.equal(batch.readUInt32LE(16), 0xcbf43926);
});

test("numbers, texts and bytes are read as they were written", () => {
  const numbers = [0, 1, 127, 128, 16_383, 16_384, 2 ** 31, 2 ** 32, 2 ** 48 + 7, Number.MAX_SAFE_INTEGER];
  const writer = new FieldWriter(0);
  for (const number of numbers) writer.number(number);
  writer.data("漢字".repeat(3000));
  writer.data(Buffer.from([0, 255]));
  const reader = new FieldReader(writer.bytes, 0, writer.length);
  assert.deepEqual(
    numbers.map(() => reader.number()),
    numbers,
  );
  assert.equal(reader.text(), "漢字".repeat(3000));
  assert.deepEqual(reader.data(), Buffer.from([0, 255]));
  assert.ok(reader.isAtEnd);
  assert.throws(() => reader.number(), RangeError);
});

test("what was written is read again in order, and more is written behind it", async t => {
  const { folder } = await written(t, BATCHES);
  const again = await opened(folder);
  assert.deepEqual(again.texts, BATCHES.flat());
  await write(again.journal, "six");
  await again.journal.close();
  const last = await opened(folder);
  await last.journal.close();
  assert.deepEqual([last.texts, last.cut], [[...BATCHES.flat(), "six"], null]);
});

test("who waits is told in the order of adding, and when it is in the file", async t => {
  const folder = temporaryFolder(t);
  const { journal } = await opened(folder);
  const told: string[] = [];
  journal.onDurable(() => told.push("nothing to wait for"));
  assert.deepEqual(told, ["nothing to wait for"]);
  const tell = (what: string) => () => {
    assert.ok(readFileSync(path.join(folder, "journal-00000001")).includes("record a"));
    told.push(what);
  };
  journal.offer(fields => fields.data("record a"), tell("a"));
  journal.onDurable(tell("after a"));
  await write(journal, "b");
  assert.deepEqual(told.slice(1), ["a", "after a"]);
  await journal.close();
});

test("what nobody waits for is written soon, or with what comes next", async t => {
  const folder = temporaryFolder(t);
  const { journal } = await opened(folder);
  const before = journal.bytes;
  journal.appendSoon(fields => fields.data("alone"));
  await new Promise<void>(resolve => {
    journal.onWritten = resolve;
  });
  assert.ok(journal.bytes > before);
  journal.appendSoon(fields => fields.data("with the next"));
  await write(journal, "next");
  journal.appendSoon(fields => fields.data("at the close"));
  await journal.close();
  const { texts, journal: again } = await opened(folder);
  await again.close();
  assert.deepEqual(texts, ["alone", "with the next", "next", "at the close"]);
});

test("a file that is cut off anywhere keeps every batch that is whole, and says what was lost", async t => {
  const { folder, file, ends } = await written(t, BATCHES);
  const whole = readFileSync(file);
  const start = whole.indexOf("\n") + 1;
  for (let length = 0; length < whole.length; length++) {
    writeFileSync(file, whole.subarray(0, length));
    const found = await reading(folder);
    assert.ok(typeof found === "object", `cut at ${length}: ${JSON.stringify(found)}`);
    const batches = ends.filter(end => end <= length).length;
    assert.deepEqual(found.texts, BATCHES.slice(0, batches).flat());
    const kept = batches > 0 ? (ends[batches - 1] ?? 0) : length < start ? 0 : start;
    assert.equal(found.cut?.bytes ?? 0, length - kept);
  }
});

test("zeros at the end are what a power cut leaves, in a batch's place or in a part of it", async t => {
  const { folder, file, ends } = await written(t, [["one"], ["x".repeat(2000)]]);
  const whole = readFileSync(file);
  for (const from of [ends[0] ?? 0, 512, 1024]) {
    writeFileSync(file, Buffer.concat([whole.subarray(0, from), Buffer.alloc(whole.length - from)]));
    const found = await reading(folder);
    assert.ok(typeof found === "object", `zeros from ${from}: ${JSON.stringify(found)}`);
    assert.deepEqual(found.texts, ["one"]);
    assert.equal(found.cut?.bytes, whole.length - (ends[0] ?? 0));
  }
});

test("a flipped bit is found wherever it is, and nothing in the folder changes for it", async t => {
  const { folder, file } = await written(t, BATCHES);
  const whole = readFileSync(file);
  for (let at = 0; at < whole.length; at++) {
    const flipped = Buffer.from(whole);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
    writeFileSync(file, flipped);
    assert.match(await refusal(folder), /is damaged at byte \d+|has journal format/);
    assert.deepEqual(readFileSync(file), flipped);
  }
});

test("a flipped byte of the last batch's length does not look like a file that was cut off there", async t => {
  const { folder, file, ends } = await written(t, BATCHES);
  const bytes = readFileSync(file);
  const lengthAt = (ends[1] ?? 0) + 4;
  bytes[lengthAt + 2] = 0x10; // now it goes far past the end
  writeFileSync(file, bytes);
  assert.match(await refusal(folder), new RegExp(`damaged at byte ${ends[1]}: a batch's header`));
});

test("a batch that is missing, or a file that is, is damage", async t => {
  const { folder, file, ends } = await written(t, BATCHES);
  const bytes = readFileSync(file);
  writeFileSync(file, Buffer.concat([bytes.subarray(0, ends[0]), bytes.subarray(ends[1])]));
  assert.match(await refusal(folder), /after batch 1 comes batch 3/);
});

test("a newer format is refused, and says what to do", async t => {
  const { folder, file } = await written(t, BATCHES);
  writeFileSync(file, readFileSync(file, "latin1").replace("format 1", "format 2"), "latin1");
  assert.match(await refusal(folder), /journal format 2, .* reads format 1/);
  await assert.rejects(repair(folder, "--data"), /journal format 2, .* reads format 1/);
});

test("a full file is followed by the next; the oldest is taken away when it is not needed any more", async t => {
  const folder = temporaryFolder(t);
  const { journal } = await opened(folder);
  const large = "x".repeat(1024 * 1024);
  for (let i = 0; i < 10; i++) await write(journal, large);
  const files = () => readdirSync(folder).filter(name => name.startsWith("journal-"));
  assert.deepEqual(files(), ["journal-00000001", "journal-00000002"]);
  let read = 0;
  assert.ok(await journal.readOldest(() => void (read += 1)));
  assert.equal(read, 8);
  await journal.removeOldest();
  await journal.close();
  assert.deepEqual(files(), ["journal-00000002"]);
  const { texts, journal: again } = await opened(folder);
  await again.close();
  assert.equal(texts.length, 2);
});

test("where a file is missing, salvage keeps all others' batches in order, and says which are missing", async t => {
  const folder = temporaryFolder(t);
  const { journal } = await opened(folder);
  const megabyte = (i: number) => `${i} `.repeat(512 * 1024);
  for (let i = 0; i < 20; i++) await write(journal, megabyte(i % 10));
  await journal.close();
  assert.deepEqual(await repair(folder, "--data"), []);
  rmSync(path.join(folder, "journal-00000002"));
  assert.match(await refusal(folder), /after batch 8 comes batch 17/);
  const last = path.join(folder, "journal-00000003");
  const leftOut = await repair(folder, "--data");
  assert.deepEqual(
    leftOut.map(({ file, from, to, what }) => ({ file, isPlace: from === to, what })),
    [{ file: last, isPlace: true, what: "batches 9 to 16 are missing" }],
  );
  const found = await reading(folder);
  assert.ok(typeof found === "object");
  assert.deepEqual(
    found.texts.map(text => Number(text[0])),
    [0, 1, 2, 3, 4, 5, 6, 7, 6, 7, 8, 9],
  );
});
