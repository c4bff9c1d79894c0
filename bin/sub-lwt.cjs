#!/usr/bin/env node
require("./start.cjs")("sub-lwt");
