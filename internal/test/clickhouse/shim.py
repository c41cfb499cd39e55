"""ClickHouse's HTTP interface in front of an engine in this process (chdb), for tests.

Usage: shim.py HOST:PORT FOLDER [USER PASSWORD [CERT KEY]]

Takes the query of a POST in the parameter "query" or in the body, runs it, and
answers as ClickHouse does: 200 with the result, or another status with the text
of the exception and its code in a header. Settings of the URL go into the query.
A user is checked here, as the server does it: the engine has none.
One query runs at a time.
"""
import gzip
import re
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from unittest.mock import MagicMock

# The package imports them for its data frames, which are of no use here.
for name in ("numpy", "pandas", "pyarrow"):
    sys.modules[name] = MagicMock()

from chdb import session  # noqa: E402

SETTINGS = {
    "insert_deduplication_token", "input_format_skip_unknown_fields", "date_time_input_format",
    "input_format_defaults_for_omitted_fields", "max_query_size",
}
engine = session.Session(sys.argv[2])
one = threading.Lock()
state = {"database": ""}


def quote(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Shim(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.answer(200, b"Ok.\n", {})

    def do_POST(self):
        url = {k: v[-1] for k, v in parse_qs(urlsplit(self.path).query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if len(sys.argv) > 4 and (self.headers.get("X-ClickHouse-User"), self.headers.get("X-ClickHouse-Key")) != (sys.argv[3], sys.argv[4]):
            text = f"Code: 516. DB::Exception: {self.headers.get('X-ClickHouse-User')}: Authentication failed"
            self.answer(403, text.encode(), {"X-ClickHouse-Exception-Code": "516"})
            return
        query = url.get("query", "")
        settings = {k: v for k, v in url.items() if k in SETTINGS}
        if query:
            text = [f"{k} = {quote(v)}" for k, v in settings.items()]
            where = re.search(r"\sFORMAT\s+\w+\s*$", query)
            query = query[: where.start()] + " SETTINGS " + ", ".join(text) + query[where.start():] + "\n"
            query += body.decode("utf-8", "replace")
        else:
            query = body.decode("utf-8", "replace")
        with one:
            try:
                self.use(url.get("database", "default"))
                has_format = re.search(r"\bFORMAT\s+\w+", query)
                result = engine.query(query) if has_format else engine.query(query, "TSV")
                out = result.bytes() if result is not None else b""
                self.answer(200, out or b"", {})
            except Exception as e:  # noqa: BLE001: the text is the answer
                text = str(e)
                code = re.search(r"Code: (\d+)", text)
                headers = {"X-ClickHouse-Exception-Code": code.group(1)} if code else {}
                self.answer(404 if code and code.group(1) in ("60", "81") else 400, text.encode(), headers)

    def use(self, database):
        if database != state["database"]:
            engine.query(f"USE `{database}`")
            state["database"] = database

    def answer(self, status, body, headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for k, v in headers.items():
            self.send_header(k, v)
        self.end_headers()
        self.wfile.write(body)


host, _, port = sys.argv[1].rpartition(":")
server = ThreadingHTTPServer((host, int(port)), Shim)
if len(sys.argv) > 6:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(sys.argv[5], sys.argv[6])
    server.socket = tls.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
