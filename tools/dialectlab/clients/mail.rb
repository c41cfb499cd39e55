require 'mail'
e = ENV
how = { address: e['ADDR'], port: e['PORT'].to_i, domain: 'client.example.org', openssl_verify_mode: 'none', enable_starttls_auto: e['TLS'] == 'starttls', ssl: e['TLS'] == 'smtps' }
how.update(user_name: 'user', password: 'secret', authentication: 'plain') if e['LOGIN'] == '1'
text = File.read(e['MSG'], encoding: 'UTF-8').split("\n\n", 2)[1]
e['MAILS'].to_i.times do
  mail = Mail.new(charset: 'UTF-8', from: 'sender@example.org', to: e['TO'].split, subject: 'x', body: text)
  mail.delivery_method :smtp, how
  mail.deliver
end
