//! What huginn-net-tls makes of ClientHellos, for `bench -only sessions`.
//!
//!     hellos report FILE          its own report of each hello of a pcap file
//!     hellos parse FILE ROUNDS    JA4 and JA4_r of hellos alone, from memory
//!
//! Report: analyze_pcap on a thread, and what it sends taken on another, as its
//! documentation has it. Parse: FILE has a hello a line, in hexadecimal; prints
//! how many were read, how many of them have a JA4, and the CPU time of all
//! rounds in nanoseconds.

use huginn_net_tls::{HuginnNetTls, TlsClientOutput, parse_tls_client_hello};
use std::error::Error;
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::sync::mpsc;

const MAX_CONNECTIONS: usize = 10_000; // as in its documentation, and as mxprint reads of a file

fn report(path: String) -> Result<(), Box<dyn Error>> {
    let (sender, receiver) = mpsc::channel::<TlsClientOutput>();
    let analysis = std::thread::spawn(move || {
        HuginnNetTls::new(MAX_CONNECTIONS)
            .analyze_pcap(&path, sender, None)
            .map_err(|e| e.to_string())
    });
    let mut out = BufWriter::new(std::io::stdout().lock());
    for tls in receiver {
        writeln!(out, "{tls}")?;
    }
    out.flush()?;
    analysis.join().map_err(|_| "analyze_pcap panicked")??;
    Ok(())
}

fn parse(path: &str, rounds: u64) -> Result<(), Box<dyn Error>> {
    let hellos = std::fs::read_to_string(path)?
        .lines()
        .map(|line| {
            (0..line.len() / 2)
                .map(|i| u8::from_str_radix(&line[2 * i..2 * i + 2], 16))
                .collect::<Result<Vec<u8>, _>>()
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut named = 0;
    let begin = cpu();
    for _ in 0..rounds {
        for hello in &hellos {
            if let Ok(signature) = parse_tls_client_hello(hello) {
                black_box(signature.generate_ja4()); // JA4 and JA4_r
                named += 1;
            }
        }
    }
    println!("{} {named} {}", rounds * hellos.len() as u64, cpu() - begin);
    Ok(())
}

/// The CPU time of this process in nanoseconds.
fn cpu() -> i64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: t is valid for writing.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut t) };
    t.tv_sec * 1_000_000_000 + t.tv_nsec
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["report", path] => report(path.to_string()),
        ["parse", path, rounds] => parse(path, rounds.parse()?),
        _ => Err("usage: hellos report FILE | hellos parse FILE ROUNDS".into()),
    }
}
