#!/usr/bin/env node
require("./start.cjs")("pub-lwt");
