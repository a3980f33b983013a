"""The commands of the stand-in that talk to its daemon."""
import http.client
import json
import os
import socket
import sys


def ask(options, method, path, body=""):
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(os.path.join(options.runtime_dir, "api.sock"))
    connection.request(method, path, body.encode())
    return connection.getresponse().read().decode()


def log(options):
    value = {"project": options.project, "output": options.output}
    print(ask(options, "POST", "/logs", json.dumps(value, separators=(",", ":"))))


def feedback(options):
    value = {"type": options.type, "value": options.value, "data_id": options.data_id}
    print(ask(options, "POST", "/feedback",
              json.dumps(value, separators=(",", ":"))))


def send(options):
    file = sys.stdin.buffer if options.file == "-" else open(options.file, "rb")
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(os.path.join(options.runtime_dir, "events.sock"))
        data = file.read()
        s.sendall(b'{"acks":true}\n' + data)
        s.shutdown(socket.SHUT_WR)
        while answer := s.recv(65536):
            last = json.loads(answer.decode().split("\n")[-2])
        sys.exit(0 if last["acked"] == data.count(b"\n") else 1)
