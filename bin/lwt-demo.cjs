#!/usr/bin/env node
require("./start.cjs")("lwt-demo");
