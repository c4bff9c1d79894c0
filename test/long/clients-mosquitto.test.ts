import { keepsPromisesOn, MOSQUITTO } from "../promises.js";

keepsPromisesOn(MOSQUITTO);
