import { test } from "node:test";
import { eachPasses } from "./every-lesson.js";

test("every lesson passes on a bundled broker of its own", t => eachPasses(t));
