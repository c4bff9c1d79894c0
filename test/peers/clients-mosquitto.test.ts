import { keepsPromisesOn, MOSQUITTO } from "../support/client-promises.js";

keepsPromisesOn(MOSQUITTO);
