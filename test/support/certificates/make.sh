#!/bin/sh
# Makes the certificates that the tests use: run it here when they have to be renewed. They protect nothing.
set -eu
days=36500
openssl ecparam -name prime256v1 -genkey -noout -out key.pem
openssl req -x509 -key key.pem -days $days -subj "/CN=mqtt-lwt-lab test CA" -out ca.pem
sign() { # name, days, names that it is for
  openssl req -new -key key.pem -subj "/CN=$1" |
    openssl x509 -req -CA ca.pem -CAkey key.pem -set_serial "0x$(openssl rand -hex 8)" -days "$2" \
      -extfile /dev/fd/3 -out "$1.pem" 3<<EOF
subjectAltName=$3
EOF
}
sign server $days "DNS:localhost,IP:127.0.0.1,DNS:broker.hivemq.com"
sign expired -1 "DNS:localhost,IP:127.0.0.1"
sign other-host $days "DNS:other.example"
sign client $days "DNS:client.example"
openssl ecparam -name prime256v1 -genkey -noout -out other-key.pem
