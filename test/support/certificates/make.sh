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
not_yet() { # name, names that it is for: valid from 2100 on, which openssl x509 cannot say
  folder=$(mktemp -d)
  : >"$folder/index"
  cat >"$folder/config" <<EOF
[ca]
default_ca=own
[own]
database=$folder/index
new_certs_dir=$folder
rand_serial=yes
default_md=sha256
policy=names
[names]
commonName=supplied
[for]
subjectAltName=$2
EOF
  openssl req -new -key key.pem -subj "/CN=$1" -out "$folder/request"
  openssl ca -batch -notext -config "$folder/config" -extensions for -cert ca.pem -keyfile key.pem \
    -startdate 21000101000000Z -enddate 22000101000000Z -in "$folder/request" -out "$1.pem"
  rm -r "$folder"
}
not_yet not-yet "DNS:localhost,IP:127.0.0.1"
openssl ecparam -name prime256v1 -genkey -noout -out other-key.pem
