// Reads one hello a line in hexadecimal, and prints its JA4 as the crate
// huginn-net-tls computes it.
use std::io::BufRead;

fn main() {
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let data: Vec<u8> = (0..line.len() / 2)
            .map(|i| u8::from_str_radix(&line[2 * i..2 * i + 2], 16).unwrap())
            .collect();
        match huginn_net_tls::parse_tls_client_hello_ja4(&data) {
            Some(ja4) => println!("{}", ja4),
            None => println!("none"),
        }
    }
}
