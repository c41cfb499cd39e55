use mail_send::smtp::message::{Address, Message};
use mail_send::SmtpClientBuilder;
use std::env::var;

#[tokio::main]
async fn main() {
    let tls = var("TLS").unwrap();
    let mut b = SmtpClientBuilder::new(var("ADDR").unwrap(), var("PORT").unwrap().parse().unwrap())
        .allow_invalid_certs()
        .helo_host("client.example.org")
        .implicit_tls(tls == "smtps");
    if !var("LOGIN").unwrap().is_empty() {
        b = b.credentials(("user", "secret"));
    }
    let text = std::fs::read_to_string(var("MSG").unwrap()).unwrap().replace('\n', "\r\n");
    let to: Vec<String> = var("TO").unwrap().split(' ').map(|s| s.to_string()).collect();
    let n: usize = var("MAILS").unwrap().parse().unwrap();
    let m = || Message::new(Address::from("sender@example.org"), to.iter().map(|t| Address::from(t.clone())).collect::<Vec<_>>(), text.as_bytes());
    if tls.is_empty() {
        let mut c = b.connect_plain().await.unwrap();
        for _ in 0..n {
            println!("{:?}", c.send(m()).await);
        }
        let _ = c.quit().await;
    } else {
        let mut c = b.connect().await.unwrap();
        for _ in 0..n {
            println!("{:?}", c.send(m()).await);
        }
        let _ = c.quit().await;
    }
}
