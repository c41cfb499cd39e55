use lettre::address::Envelope;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{SmtpTransport, Transport};
use std::env::var;

fn main() {
    let addr = var("ADDR").unwrap();
    let tls = TlsParameters::builder(addr.clone()).dangerous_accept_invalid_certs(true).build().unwrap();
    let mut b = SmtpTransport::builder_dangerous(&addr)
        .port(var("PORT").unwrap().parse().unwrap())
        .hello_name(lettre::transport::smtp::extension::ClientId::Domain("client.example.org".into()))
        .tls(match var("TLS").unwrap().as_str() {
            "starttls" => Tls::Required(tls),
            "smtps" => Tls::Wrapper(tls),
            _ => Tls::None,
        });
    if !var("LOGIN").unwrap().is_empty() {
        b = b.credentials(Credentials::new("user".into(), "secret".into()));
    }
    let t = b.build();
    let to = var("TO").unwrap().split(' ').map(|t| t.parse().unwrap()).collect();
    let e = Envelope::new(Some("sender@example.org".parse().unwrap()), to).unwrap();
    let text = std::fs::read_to_string(var("MSG").unwrap()).unwrap().replace('\n', "\r\n");
    for _ in 0..var("MAILS").unwrap().parse().unwrap() {
        println!("{:?}", t.send_raw(&e, text.as_bytes()));
    }
}
