require 'eventmachine'
e = ENV
EM.run do
  c = EM::P::SmtpClient.send(host: e['ADDR'], port: e['PORT'].to_i, domain: 'client.example.org', from: 'sender@example.org', to: e['TO'].split,
                             content: File.binread(e['MSG']).gsub("\n", "\r\n") + ".\r\n", starttls: e['TLS'] == 'starttls', auth: e['LOGIN'] == '1' ? { type: :plain, username: 'user', password: 'secret' } : nil)
  c.callback { EM.add_timer(0.2) { EM.stop } }
  c.errback { |x| p x; EM.add_timer(0.2) { EM.stop } }
  EM.add_timer(10) { EM.stop }
end
