"""The slide's lines in Python, as they stand, for the lesson the-slide-code. For paho-mqtt 1; version 2 refuses the first.

    pip install "paho-mqtt<2"
    python3 examples/slide-code.py --broker mqtt://127.0.0.1:1883

What happens is told as JSON lines, like our commands' with --json.
"""

import argparse
import json
import os
from datetime import datetime, timezone
from urllib.parse import urlparse

import paho.mqtt.client as mqtt

options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
options.add_argument("-b", "--broker", default="mqtt://127.0.0.1:1883")
options.add_argument("-i", "--client-id", default="Machine1")
options.add_argument("--namespace", default="Binil")
options.add_argument("--will-topic", default="sensors/lastwill")
options.add_argument("--will-in-connect", action="store_true", help="pass the will to connect(), which refuses it")
given = options.parse_args()
url = urlparse(given.broker)
broker, port, keepalive = url.hostname, url.port or 1883, 60
topic = f"{given.namespace}/Machine1/SensorData"


def now():
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def tell(event, **fields):
    print(json.dumps({"time": now(), "event": event, **fields}), flush=True)


reading = {
    "machine_id": 200,
    "sentDate": now(),
    "Temperature": 21.5,
    "Pressure": 75.25,
    "Humidity": 40.0,
    "Status": "ON",
}
msg = json.dumps(reading)

client = mqtt.Client(given.client_id, clean_session=False)
if given.will_in_connect:
    try:
        client.connect(broker, port, keepalive, will_message="Sensor Offline")
    except TypeError as error:
        hint = "will_set() sets the will, before connect()."
        tell("warning", code="no-such-argument", message=str(error), hint=hint)
    raise SystemExit(0)

client.will_set(given.will_topic, "Sensor Offline", qos=1, retain=True)
if os.environ.get("LWT_USERNAME"):
    client.username_pw_set(os.environ["LWT_USERNAME"], os.environ.get("LWT_PASSWORD"))
tell("connecting", broker=f"mqtt://{broker}:{port}", clientId=given.client_id)
client.connect(broker, port, keepalive)
client.loop_start()
published = client.publish(topic, msg, qos=1)
sent = {"topic": topic, "packetId": published.mid, "run": None, "seq": None}
tell("published", payload=msg, qos=1, retain=False, **sent)
published.wait_for_publish(10)
if not published.is_published():
    raise SystemExit("the broker acknowledged nothing within 10 seconds")
tell("acknowledged", milliseconds=0, **sent)
tell("failing", cause="no-disconnect", keepAliveDeadline=None)
os._exit(0)  # without client.disconnect(), so that the will is due
