// Opens a TLS connection with the defaults of rustls: port, name.
use std::io::Write;
use std::sync::Arc;

fn main() {
    let a: Vec<String> = std::env::args().collect();
    let mut sock = std::net::TcpStream::connect(format!("127.0.0.1:{}", a[1])).unwrap();
    let config = rustls::ClientConfig::builder()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = a[2].clone().try_into().unwrap();
    let mut conn = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let _ = rustls::Stream::new(&mut conn, &mut sock).write_all(b"x");
}
