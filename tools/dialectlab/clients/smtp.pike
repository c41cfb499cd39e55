int main() {
  mapping e = getenv();
  object c = Protocols.SMTP.Client(e->ADDR, (int)e->PORT);
  c->send_message("sender@example.org", e->TO / " ", Stdio.read_file(e->MSG));
  return 0;
}
