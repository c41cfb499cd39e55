//! Writes the packets of connections between two smoltcp sockets to a pcap
//! file: one over IPv4, one over IPv6, on a link of 1500 bytes, with the
//! receive buffer of 4096 bytes that many of its users have.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};

use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

/// A wire that gives back what is sent, and writes it down.
struct Wire {
    queue: VecDeque<Vec<u8>>,
    file: File,
    at: u32,
}

impl Wire {
    fn new(path: &str) -> io::Result<Wire> {
        let mut file = File::create(path)?;
        // pcap, microseconds, 64 KiB, raw IP
        for word in [0xa1b2c3d4u32, 2 | 4 << 16, 0, 0, 65535, 101] {
            file.write_all(&word.to_le_bytes())?;
        }
        Ok(Wire { queue: VecDeque::new(), file, at: 0 })
    }

    fn send(&mut self, packet: Vec<u8>) -> io::Result<()> {
        self.at += 1;
        let len = packet.len() as u32;
        for word in [1_700_000_000, self.at, len, len] {
            self.file.write_all(&word.to_le_bytes())?;
        }
        self.file.write_all(&packet)?;
        self.queue.push_back(packet);
        Ok(())
    }
}

struct Received(Vec<u8>);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

struct Sending<'a>(&'a mut Wire);

impl phy::TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut packet = vec![0; len];
        let result = f(&mut packet);
        self.0.send(packet).expect("writing the capture");
        result
    }
}

impl Device for Wire {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending<'a>;

    fn capabilities(&self) -> DeviceCapabilities {
        let mut c = DeviceCapabilities::default();
        c.medium = Medium::Ip;
        c.max_transmission_unit = 1500;
        c
    }

    fn receive(&mut self, _: Instant) -> Option<(Received, Sending<'_>)> {
        let packet = self.queue.pop_front()?;
        Some((Received(packet), Sending(self)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sending<'_>> {
        Some(Sending(self))
    }
}

fn main() {
    let path = std::env::args().nth(1).expect("usage: smoltcp-lab FILE.pcap");
    let mut wire = Wire::new(&path).expect("creating the capture");
    let mut config = Config::new(HardwareAddress::Ip);
    config.random_seed = 0x6d78_7072_696e_74;
    let mut iface = Interface::new(config, &mut wire, Instant::ZERO);
    let ends = [
        (IpAddress::v4(198, 18, 0, 1), IpAddress::v4(198, 18, 0, 2)),
        (IpAddress::v6(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), IpAddress::v6(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2)),
    ];
    iface.update_ip_addrs(|addrs| {
        for (client, server) in ends {
            let bits = if client.version() == smoltcp::wire::IpVersion::Ipv4 { 24 } else { 64 };
            addrs.push(IpCidr::new(client, bits)).unwrap();
            addrs.push(IpCidr::new(server, bits)).unwrap();
        }
    });
    for (i, (client, server)) in ends.into_iter().enumerate() {
        connect(&mut iface, &mut wire, (client, 40000 + i as u16), (server, 25));
    }
}

/// Makes one connection.
fn connect(iface: &mut Interface, wire: &mut Wire, from: (IpAddress, u16), to: (IpAddress, u16)) {
    let buffer = || tcp::SocketBuffer::new(vec![0; 4096]);
    let mut sockets = SocketSet::new(vec![]);
    let server = sockets.add(tcp::Socket::new(buffer(), buffer()));
    let client = sockets.add(tcp::Socket::new(buffer(), buffer()));
    sockets.get_mut::<tcp::Socket>(server).listen(to).unwrap();
    sockets.get_mut::<tcp::Socket>(client).connect(iface.context(), to, from).unwrap();
    for ms in 0..1000 {
        iface.poll(Instant::from_millis(ms), wire, &mut sockets);
        if sockets.get::<tcp::Socket>(server).may_send() {
            return;
        }
    }
    panic!("no connection to {to:?}");
}
