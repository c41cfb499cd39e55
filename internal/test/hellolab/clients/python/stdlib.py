# Opens a TLS connection with the defaults of Python: port, name.
import socket
import ssl
import sys

s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
context = ssl.create_default_context() if len(sys.argv) > 2 else ssl._create_unverified_context()
if len(sys.argv) < 3:
    context.check_hostname = False
context.wrap_socket(s, server_hostname=sys.argv[2] if len(sys.argv) > 2 else None)
