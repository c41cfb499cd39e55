package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/mxprint/mxprint/clienthello"
	"github.com/mxprint/mxprint/dialect"
	"github.com/mxprint/mxprint/internal/stream"
)

// spoken is one recorded session: who spoke, and how.
type spoken struct {
	File, Client, Server string

	Program string `json:"program"`
	Release string `json:"release"`
	Engine  string `json:"engine"`
	System  string `json:"system"`
	Kind    string `json:"kind"` // "mta", "mua", "library", "tool", "monitor", or "bad" and "hand", which are no programs to name
	Variant string `json:"variant"`
	TLS     string `json:"tls"`
	Given   bool   `json:"given"` // the lab wrote the header of the message
	Dialect string `json:"dialect"`

	Plain []string `json:"plain"` // what the client said, decrypted: README.md

	print dialect.Fingerprint
}

// named reports whether a program is one that signatures name.
func (s *spoken) named() bool {
	return s.Kind != "bad" && s.Kind != "hand" && s.Engine != "" && s.Engine != "by hand"
}

// header is that of the message, if the program wrote it.
func (s *spoken) header() string {
	if s.Given {
		return ""
	}
	return string(s.print.Get(dialect.Header))
}

// loadSessions reads the sessions of a directory of recordings from the captures
// alone; of labels.jsonl it takes who was recorded.
func loadSessions(dir string) ([]spoken, error) {
	f, err := os.Open(filepath.Join(dir, "labels.jsonl"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []spoken
	prints := make(map[string]map[string]dialect.Fingerprint) // by file and connection
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var s spoken
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			return nil, err
		}
		if prints[s.File] == nil {
			if prints[s.File], err = readPrints(filepath.Join(dir, s.File)); err != nil {
				return nil, fmt.Errorf("%s: %w", s.File, err)
			}
		}
		s.print = prints[s.File][s.Client+">"+s.Server]
		s.Dialect = s.print.String()
		all = append(all, s)
	}
	return all, lines.Err()
}

// readPrints reads the connections of a capture, by "client>server".
func readPrints(path string) (map[string]dialect.Fingerprint, error) {
	prints := make(map[string]dialect.Fingerprint)
	_, err := readConnections(path, func(key string, s *stream.Session, h *clienthello.Hello) {
		var library clienthello.Library
		if h != nil {
			library = h.Library()
		}
		prints[key] = s.Dialect(library)
	})
	return prints, err
}

// readConnections reads the connections of a capture, and calls done for each
// with "client>server", and its ClientHello or nil. It returns the frames.
func readConnections(path string, done func(key string, s *stream.Session, h *clienthello.Hello)) ([]*frame, error) {
	frames, err := readPcap(path)
	if err != nil {
		return nil, err
	}
	hellos := make(map[stream.Key]*clienthello.Hello)
	table := stream.New(stream.Config{
		MaxSource: 1000,
		Hello:     func(k stream.Key, h *clienthello.Hello) { hellos[k] = h },
		Done: func(k stream.Key, s *stream.Session) {
			done(k.Client.String()+">"+k.Server.String(), s, hellos[k])
			delete(hellos, k)
		},
	})
	conns := make(map[stream.Key]*stream.Conn)
	first := make(map[netip.AddrPort]uint32)
	for _, f := range frames {
		side, key := stream.Client, stream.Key{Client: f.src, Server: f.dst}
		if _, client := first[f.dst]; client && f.src.Port() < 1024 {
			side, key = stream.Server, stream.Key{Client: f.dst, Server: f.src}
		}
		now := time.Duration(f.time.UnixNano())
		switch {
		case f.flags&0x12 == 0x02:
			first[f.src] = f.seq
		case f.flags&0x12 == 0x12:
			table.Drop(conns[key])
			conns[key] = table.Open(key, first[f.dst], f.seq, f.src.Port() == 465, now)
		default:
			table.Segment(conns[key], &stream.Segment{Side: side, Seq: f.seq, Ack: f.ack, ACK: f.flags&0x10 != 0,
				FIN: f.flags&1 != 0, RST: f.flags&4 != 0, Data: f.payload, Time: now})
		}
	}
	table.Close()
	return frames, nil
}

// rows prints a JSON object a session, for internal/test/score.
func rows(dir string, out io.Writer) error {
	all, err := loadSessions(dir)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for i := range all {
		s := &all[i]
		if err := enc.Encode(map[string]string{"kind": "smtp", "program": s.Program, "release": s.Release, "engine": s.Engine, "class": s.Kind,
			"system": s.System, "variant": s.Variant, "tls": s.TLS, "dialect": s.Dialect}); err != nil {
			return err
		}
	}
	return nil
}
