//! What huginn-net-tcp says of the SYNs of a pcap file of Ethernet frames, and
//! how much CPU time that takes it.
//!
//!     huginn-peer FILE [DEVICE]
//!
//! Frames are handed to the crate's decoder and matcher from memory, one after
//! the other, without its channels and copies: faster than its own
//! analyze_pcap. With a device, the crate's own report of each is written to it. Prints the number of SYNs, of those named, and the nanoseconds; then
//! how many there were of each name.

use huginn_net_db::{TcpDatabase, TcpSignatureMatcher};
use huginn_net_tcp::matcher_api::TcpMatcher;
use huginn_net_tcp::output::{OperativeSystem, TcpAnalysisResult};
use huginn_net_tcp::parser::packet::{IpPacket, parse_packet};
use huginn_net_tcp::{ConnectionTracker, process_ipv4_packet, process_ipv6_packet};
use std::collections::HashMap;
use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};

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

struct Peer<'a> {
    matcher: TcpSignatureMatcher<'a>,
    tracker: ConnectionTracker,
    report: Option<BufWriter<File>>,
    syns: u64,
    counts: Counts,
}

impl Peer<'_> {
    fn take(&mut self, result: &TcpAnalysisResult) -> Result<(), Box<dyn Error>> {
        if let Some(syn) = &result.syn {
            self.syns += 1;
            if let Some(os) = &syn.os_matched.os {
                self.counts.add(os);
            }
        }
        let Some(w) = &mut self.report else { return Ok(()) };
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

    fn run(&mut self, frames: Frames) -> Result<(), Box<dyn Error>> {
        for frame in frames {
            let matcher: Option<&dyn TcpMatcher> = Some(&self.matcher);
            let result = match parse_packet(frame) {
                IpPacket::Ipv4(ip) => process_ipv4_packet(&ip, &mut self.tracker, matcher),
                IpPacket::Ipv6(ip) => process_ipv6_packet(&ip, &mut self.tracker, matcher),
                IpPacket::None => continue,
            };
            if let Ok(result) = result {
                self.take(&result)?;
            }
        }
        if let Some(w) = &mut self.report {
            w.flush()?;
        }
        Ok(())
    }
}

/// The CPU time of this process in nanoseconds.
fn cpu() -> i64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: t is valid for writing.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut t) };
    t.tv_sec * 1_000_000_000 + t.tv_nsec
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().ok_or("usage: huginn-peer FILE [DEVICE]")?;
    let report = args.next().map(|p| File::options().write(true).open(p)).transpose()?;
    let file = std::fs::read(path)?;
    let database = TcpDatabase::load_default()?;
    let mut peer = Peer {
        matcher: TcpSignatureMatcher::new(&database),
        tracker: ConnectionTracker::new(MAX_CONNECTIONS),
        report: report.map(BufWriter::new),
        syns: 0,
        counts: Counts::default(),
    };
    let frames = Frames(file.get(FILE_HEADER..).ok_or("not a pcap file")?);
    let begin = cpu();
    peer.run(frames)?;
    let took = cpu() - begin;
    let named: u64 = peer.counts.0.values().flat_map(HashMap::values).sum();
    println!("{} {named} {took}", peer.syns);
    for (name, flavors) in &peer.counts.0 {
        for (flavor, n) in flavors {
            println!("{n} {name} {flavor}");
        }
    }
    Ok(())
}
