package main

import (
	"fmt"
	"runtime"
	"time"

	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/host"
	reading "github.com/mxprint/mxprint/internal/sender"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/packet"
)

const (
	floodData   = 20_000_000 // segments with data that belong to no connection
	mostPayload = 64 << 20   // bytes that the flood may add to the heap
)

// dialogue is what genuine senders and their server say, a turn each; the flood
// comes in the middle.
var dialogue = []struct {
	client bool
	text   string
}{
	{false, "220 mx.example.net ESMTP\r\n"}, {true, "EHLO client.example.org\r\n"}, {false, "250-mx.example.net\r\n250 PIPELINING\r\n"},
	{true, "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n"}, {false, "250 ok\r\n250 ok\r\n354 go on\r\n"},
	{true, "Subject: x\r\n\r\nx\r\n.\r\n"}, {false, "250 ok\r\n"}, {true, "QUIT\r\n"}, {false, "221 bye\r\n"},
}

// payload floods the mail ports with spoofed data while genuine senders speak:
// what a segment costs, what it takes in memory, and how many of the genuine
// sessions are read to their end.
func (t *table) payload() {
	bar := fmt.Sprintf("less than %d MiB, %d of %d", mostPayload>>20, senders, senders)
	for _, f := range []kind{
		{"of random addresses", func(s *packet.Segment, n uint32) { s.Src = four(mix(n), uint16(n)) }},
		{"as from the ends of genuine connections", func(s *packet.Segment, n uint32) { s.Src = sender(int(n % senders)) }},
		{"as from the mail server to random addresses", func(s *packet.Segment, n uint32) {
			s.Src, s.Dst = server4, four(mix(n), uint16(n))
		}},
	} {
		per, bytes, read := f.payload()
		t.row("smtp = true: 20,000,000 data segments "+f.name,
			fmt.Sprintf("%d ns a segment, %d KiB added to the heap, %d of %d genuine sessions read", per.Nanoseconds(), bytes>>10, read, senders),
			bar, read == senders && bytes < mostPayload)
	}
}

// payload is the cost of one such flood.
func (f kind) payload() (per time.Duration, bytes int64, read int) {
	reader := reading.New(reading.Config{})
	t := &sensor{host.New(signature.Builtin(), limits, nil), 1e15}
	t.Follow(reader.Follow, func(o *event.Observation) {
		if o.Module == event.SMTP && o.Sender.Flow.ClosedBy == "client" {
			read++
		}
	})
	for i := range senders {
		t.handshake(i)
	}
	t.speak(0, len(dialogue)/2)
	before := heap()
	s := packet.Segment{Dst: server4, Version: 4, Type: packet.ACK, Flags: packet.FlagACK, PayloadLen: 8, Window: 100}
	data := []byte("EHLO a\r\n")
	begin := time.Now()
	for n := range uint32(floodData) {
		s.Seq, s.Ack = mix(n)|1<<30, mix(n+1)
		f.syn(&s, n)
		t.at++
		t.Frame(t.at)
		t.Update(&s, data)
	}
	per = time.Since(begin) / floodData
	bytes = heap() - before
	t.speak(len(dialogue)/2, len(dialogue))
	for i := range senders {
		for _, client := range []bool{true, false} {
			t.segment(i, client, packet.FINACK, packet.FlagFIN|packet.FlagACK, len(dialogue), "")
		}
	}
	return per, max(bytes, 0), read
}

// handshake opens the connection of a genuine sender.
func (t *sensor) handshake(i int) {
	s := syn(false)
	s.Src, s.Seq = sender(i), 0
	t.take(s)
	t.take(packet.Segment{Src: s.Dst, Dst: s.Src, Version: 4, Type: packet.SYNACK, Flags: packet.FlagSYN | packet.FlagACK, Ack: 1})
	t.take(packet.Segment{Src: s.Src, Dst: s.Dst, Version: 4, Type: packet.ACK, Flags: packet.FlagACK, Seq: 1, Ack: 1})
}

// speak says some turns of the dialogue on every genuine connection.
func (t *sensor) speak(from, to int) {
	for turn := from; turn < to; turn++ {
		for i := range senders {
			t.segment(i, dialogue[turn].client, packet.ACK, packet.FlagACK, turn, dialogue[turn].text)
		}
	}
}

// segment sends text after the first turns of the dialogue.
func (t *sensor) segment(i int, client bool, typ packet.Type, flags uint16, turns int, text string) {
	next := map[bool]uint32{true: 1, false: 1}
	for _, d := range dialogue[:turns] {
		next[d.client] += uint32(len(d.text))
	}
	s := packet.Segment{Src: sender(i), Dst: server4, Version: 4, Type: typ, Flags: flags, Seq: next[client], Ack: next[!client],
		PayloadLen: uint16(len(text)), Window: 100}
	if !client {
		s.Src, s.Dst = s.Dst, s.Src
	}
	t.at += 10
	t.Frame(t.at)
	t.Update(&s, []byte(text))
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
