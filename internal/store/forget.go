package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/mxprint/mxprint/internal/evidence"
)

// Subject is what is looked for or forgotten: an address or network, a name, or a
// JA4.
type Subject struct {
	Network netip.Prefix
	Name    string
	JA4     string
}

// ParseSubject reads an address, a network, a JA4 or a name.
func ParseSubject(text string) (Subject, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return Subject{Network: Network(a)}, nil
	}
	if p, err := netip.ParsePrefix(text); err == nil {
		p = p.Masked()
		if p.Addr().Is6() && p.Bits() > 64 {
			p, _ = p.Addr().Prefix(64)
		}
		return Subject{Network: p}, nil
	}
	if looksLikeJA4(text) {
		return Subject{JA4: text}, nil
	}
	if name := CleanName(text); name != "" && !strings.ContainsAny(name, "/") {
		return Subject{Name: name}, nil
	}
	return Subject{}, fmt.Errorf("%.60q is no address, network, name or JA4", text)
}

// looksLikeJA4 recognises the form t13d1516h2_8daaf6152771_e5627efa2ab1.
func looksLikeJA4(text string) bool {
	parts := strings.Split(text, "_")
	return len(parts) == 3 && len(parts[0]) == 10 && len(parts[1]) == 12 && len(parts[2]) == 12
}

// inNetwork is a condition on tables that have addresses.
func (s *Subject) inNetwork() (string, []any) {
	low, high := bounds(s.Network)
	return "address BETWEEN ? AND ? AND length(address) = ?", []any{low, high, len(low)}
}

// where is a condition on table connection.
func (s *Subject) where() (string, []any) {
	switch {
	case s.Network.IsValid():
		where, args := s.inNetwork()
		return "id IN (" + runs + "SELECT id FROM run CROSS JOIN connection INDEXED BY connection_address ON id >> 13 = n WHERE " + where + ")",
			append([]any{0}, args...)
	case s.JA4 != "":
		return `profile IN (SELECT id FROM text WHERE instr(text, ?) > 0)`, []any{`"ja4":"` + s.JA4 + `"`}
	}
	return "name <> 0 AND name = (SELECT id FROM text WHERE text = ?)", []any{s.Name}
}

// bounds are the first and last keys of a network.
func bounds(p netip.Prefix) (low, high []byte) {
	low = Key(p.Addr())
	high = append([]byte(nil), low...)
	for i := p.Bits(); i < len(high)*8; i++ {
		high[i/8] |= 0x80 >> (i % 8)
	}
	return low, high
}

// Forget removes all that is remembered of a subject: connections, verdicts,
// addresses, names, the senders' part of the evidence. It returns when no byte of
// it is left in the files. It runs in the process that writes.
func (s *Store) Forget(ctx context.Context, sub Subject) (connections int64, err error) {
	var n int64
	err = s.run(ctx, func(w *writer) (err error) {
		n, err = w.forget(sub)
		return err
	})
	return n, err
}

func (w *writer) forget(sub Subject) (n int64, err error) {
	s := w.s
	where, args := sub.where()
	var senders [][]byte
	err = w.transaction(func(tx *transaction) error {
		if senders, err = addresses(tx, sub, where, args); err != nil {
			return err
		}
		if _, err := tx.Exec("DELETE FROM verdict WHERE connection IN (SELECT id FROM connection WHERE "+where+")", args...); err != nil {
			return err
		}
		r, err := tx.Exec("DELETE FROM connection WHERE "+where, args...)
		if err != nil {
			return err
		}
		n, _ = r.RowsAffected()
		if sub.Network.IsValid() {
			inNetwork, args := sub.inNetwork()
			for _, table := range []string{"host", "named"} {
				if _, err := tx.Exec("DELETE FROM "+table+" WHERE "+inNetwork, args...); err != nil {
					return err
				}
			}
		} else if sub.Name != "" {
			_, err = tx.Exec("DELETE FROM named WHERE name = (SELECT id FROM text WHERE text = ?)", sub.Name)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	if sub.Network.IsValid() {
		err = w.forgetEvidence(senders)
	}
	for w.swept = 0; err == nil; { // the texts that they alone had
		if err = w.sweep(); w.swept == 0 {
			break
		}
	}
	s.mu.Lock()
	s.hosts.Clear()
	s.traits.Clear()
	s.recent.Clear()
	s.mu.Unlock()
	if err != nil {
		return n, err
	}
	return n, w.scrub()
}

// addresses are those that are in the evidence.
func addresses(tx *transaction, sub Subject, where string, args []any) (list [][]byte, err error) {
	if !sub.Network.IsValid() {
		return nil, nil
	}
	inNetwork, of := sub.inNetwork()
	rows, err := tx.Query("SELECT address FROM host WHERE "+inNetwork+" UNION SELECT address FROM connection WHERE "+where, append(of, args...)...)
	err = each(rows, err, func() error {
		var k []byte
		err := rows.Scan(&k)
		list = append(list, k)
		return err
	})
	if sub.Network.IsSingleIP() || sub.Network.Bits() == 64 { // also where only the evidence is left
		list = append(list, Key(sub.Network.Addr()))
	}
	return list, err
}

func (w *writer) forgetEvidence(senders [][]byte) error {
	return w.recount(0, func(c *evidence.Counts) error {
		for _, k := range senders {
			c.Forget(evidence.Sender(w.s.seed, k))
		}
		return nil
	})
}

// truncate empties the write-ahead log, which has old pages. A reader may hold it
// up for a moment.
func (w *writer) truncate() error {
	var busy, pages, moved int
	for range 100 {
		err := w.s.db.Load().write.QueryRow("PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &moved)
		if err == nil && busy == 0 {
			return nil
		} else if err != nil && code(err) != sqlite3.SQLITE_BUSY {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return errors.New("another process reads the file and holds up the emptying of its log: try again")
}

// scrub empties the log and overwrites what SQLite leaves in pages when it moves
// rows from one to another: secure_delete overwrites rows that are deleted, not
// copies of them (database file format, section 1.6: the unallocated space of a
// page of a b-tree). The file is closed meanwhile: a page that is in a cache
// would bring the bytes back. Look-ups go on without a memory for that moment.
func (w *writer) scrub() error {
	s := w.s
	if err := w.truncate(); err != nil {
		return err
	}
	w.texts.Clear()
	s.close()
	err := scrubFile(s.cfg.Path)
	return errors.Join(err, s.open(&w.update))
}

func scrubFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	page := make([]byte, pageSize)
	for at := int64(0); ; at += pageSize {
		if _, err := io.ReadFull(f, page); errors.Is(err, io.EOF) {
			return f.Sync()
		} else if err != nil {
			return err
		}
		head := 0
		if at == 0 {
			if size := binary.BigEndian.Uint16(page[16:]); size != pageSize {
				return fmt.Errorf("its pages have %d bytes, want %d", size, pageSize)
			}
			head = 100
		}
		if gap := unallocated(page, head); slices.Max(append(gap, 0)) > 0 {
			clear(gap)
			if _, err := f.WriteAt(page, at); err != nil {
				return err
			}
		}
	}
}

// unallocated is the space between the pointers and the cells of a page of a
// b-tree; it is empty where the page is not one.
func unallocated(page []byte, head int) []byte {
	size := 8
	switch page[head] {
	case 2, 5: // interior pages have a pointer more
		size = 12
	case 10, 13:
	default:
		return nil
	}
	from := head + size + 2*int(binary.BigEndian.Uint16(page[head+3:]))
	to := int(binary.BigEndian.Uint16(page[head+5:]))
	if to == 0 || to > len(page) || from > to {
		return nil
	}
	return page[from:to:to]
}
