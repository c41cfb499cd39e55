//! What huginn-net-tcp says of the SYNs of a pcap file of Ethernet frames, and
//! how much CPU time that takes it.
//!
//!     huginn-peer direct FILE [DEVICE]
//!     huginn-peer documented FILE [DEVICE]
//!
//! Direct: frames are handed to the crate's decoder and matcher from memory, one
//! after the other, without its reader, channel and copies: faster than its own
//! analyze_pcap; the time is that of the CPU. Documented: analyze_pcap on a
//! thread, and what it sends taken on another, as its documentation has it; the
//! time is that of the clock on the wall.
//!
//! With a device, the crate's own report of each is written to it. Prints the
//! number of SYNs, of those named, and the nanoseconds; then how many there were
//! of each name.

use huginn_net_db::{SharedTcpSignatureMatcher, TcpDatabase, TcpSignatureMatcher};
use huginn_net_tcp::matcher_api::TcpMatcher;
use huginn_net_tcp::output::{OperativeSystem, TcpAnalysisResult};
use huginn_net_tcp::parser::packet::{IpPacket, parse_packet};
use huginn_net_tcp::{
    ConnectionTracker, HuginnNetTcp, SharedTcpMatcher, process_ipv4_packet, process_ipv6_packet,
};
use std::collections::HashMap;
use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::{Arc, mpsc};
use std::time::Instant;

const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;
const MAX_CONNECTIONS: usize = 1_000; // as in its documentation, and as p0f and we by default

/// The frames of a little-endian pcap file.
struct Frames<'a>(&'a [u8]);

impl<'a> Iterator for Frames<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (header, rest) = self.0.split_at_checked(RECORD_HEADER)?;
        let size = u32::from_le_bytes(header[8..12].try_into().ok()?) as usize;
        let (frame, rest) = rest.split_at_checked(size)?;
        self.0 = rest;
        Some(frame)
    }
}

/// How often each system was seen, by name and flavor.
#[derive(Default)]
struct Counts(HashMap<String, HashMap<String, u64>>);

impl Counts {
    fn add(&mut self, os: &OperativeSystem) {
        let flavor = os.variant.as_deref().unwrap_or("");
        if let Some(n) = self.0.get_mut(&os.name).and_then(|f| f.get_mut(flavor)) {
            *n += 1;
            return;
        }
        let flavors = self.0.entry(os.name.clone()).or_default();
        flavors.insert(flavor.to_string(), 1);
    }
}

/// What is made of the results.
#[derive(Default)]
struct Report {
    out: Option<BufWriter<File>>,
    syns: u64,
    counts: Counts,
}

impl Report {
    fn take(&mut self, result: &TcpAnalysisResult) -> Result<(), Box<dyn Error>> {
        if let Some(syn) = &result.syn {
            self.syns += 1;
            if let Some(os) = &syn.os_matched.os {
                self.counts.add(os);
            }
        }
        let Some(w) = &mut self.out else { return Ok(()) };
        if let Some(syn) = &result.syn {
            write!(w, "{syn}")?;
        }
        #[cfg(feature = "full")]
        {
            if let Some(mtu) = &result.mtu {
                write!(w, "{mtu}")?;
            }
            if let Some(uptime) = &result.client_uptime {
                write!(w, "{uptime}")?;
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Box<dyn Error>> {
        if let Some(w) = &mut self.out {
            w.flush()?;
        }
        Ok(())
    }
}

/// Calls the crate frame by frame, and returns the CPU time in nanoseconds.
fn direct(path: &str, report: &mut Report) -> Result<i64, Box<dyn Error>> {
    let file = std::fs::read(path)?;
    let database = TcpDatabase::load_default()?;
    let matcher = TcpSignatureMatcher::new(&database);
    let matcher: Option<&dyn TcpMatcher> = Some(&matcher);
    let mut tracker = ConnectionTracker::new(MAX_CONNECTIONS);
    let frames = Frames(file.get(FILE_HEADER..).ok_or("not a pcap file")?);
    let begin = cpu();
    for frame in frames {
        let result = match parse_packet(frame) {
            IpPacket::Ipv4(ip) => process_ipv4_packet(&ip, &mut tracker, matcher),
            IpPacket::Ipv6(ip) => process_ipv6_packet(&ip, &mut tracker, matcher),
            IpPacket::None => continue,
        };
        if let Ok(result) = result {
            report.take(&result)?;
        }
    }
    report.end()?;
    Ok(cpu() - begin)
}

/// Runs the crate as its documentation does, and returns the nanoseconds.
fn documented(path: &str, report: &mut Report) -> Result<i64, Box<dyn Error>> {
    let database = Arc::new(TcpDatabase::load_default()?);
    let matcher: SharedTcpMatcher = Arc::new(SharedTcpSignatureMatcher::new(database));
    let mut analyzer = HuginnNetTcp::new(MAX_CONNECTIONS).with_matcher(matcher);
    let (sender, receiver) = mpsc::channel::<TcpAnalysisResult>();
    let path = path.to_string();
    let begin = Instant::now();
    let analysis = std::thread::spawn(move || {
        analyzer.analyze_pcap(&path, sender, None).map_err(|e| e.to_string())
    });
    for result in receiver {
        report.take(&result)?;
    }
    report.end()?;
    analysis.join().map_err(|_| "analyze_pcap panicked")??;
    Ok(begin.elapsed().as_nanos() as i64)
}

/// The CPU time of this process in nanoseconds.
fn cpu() -> i64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: t is valid for writing.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut t) };
    t.tv_sec * 1_000_000_000 + t.tv_nsec
}

fn main() -> Result<(), Box<dyn Error>> {
    const USAGE: &str = "usage: huginn-peer direct|documented FILE [DEVICE]";
    let mut args = std::env::args().skip(1);
    let way = args.next().ok_or(USAGE)?;
    let path = args.next().ok_or(USAGE)?;
    let out = args.next().map(|p| File::options().write(true).open(p)).transpose()?;
    let mut report = Report { out: out.map(BufWriter::new), ..Report::default() };
    let took = match way.as_str() {
        "direct" => direct(&path, &mut report)?,
        "documented" => documented(&path, &mut report)?,
        _ => return Err(USAGE.into()),
    };
    let named: u64 = report.counts.0.values().flat_map(HashMap::values).sum();
    println!("{} {named} {took}", report.syns);
    for (name, flavors) in &report.counts.0 {
        for (flavor, n) in flavors {
            println!("{n} {name} {flavor}");
        }
    }
    Ok(())
}
