# Opens a TLS connection with the defaults of the OpenSSL inside the package
# cryptography: port, name. Without arguments it prints that OpenSSL's release.
import socket
import sys

from OpenSSL import SSL

if len(sys.argv) < 2:
    print(SSL.SSLeay_version(SSL.SSLEAY_VERSION).decode().split()[1])
    sys.exit()
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
c = SSL.Connection(SSL.Context(SSL.SSLv23_METHOD), s)
if len(sys.argv) > 2:
    c.set_tlsext_host_name(sys.argv[2].encode())
c.set_connect_state()
c.do_handshake()
