require 'net/smtp'
require 'openssl'
e = ENV
s = Net::SMTP.new(e['ADDR'], e['PORT'].to_i)
c = OpenSSL::SSL::SSLContext.new
c.verify_mode = 0
case e['TLS']
when 'starttls' then s.enable_starttls(c)
when 'smtps' then s.enable_tls(c)
else (s.disable_starttls rescue 0)
end
args = ['client.example.org']
args += ['user', 'secret', :plain] if e['LOGIN'] == '1'
s.start(*args) do |x|
  e['MAILS'].to_i.times { x.send_message(File.binread(e['MSG']), 'sender@example.org', *e['TO'].split) }
end
