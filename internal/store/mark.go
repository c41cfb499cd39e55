package store

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"slices"
	"strings"
)

// mark is the id of a connection in our header: six random bytes, and the number
// of the connection in six more, covered by the random ones and the store's key:
// an id does not show how many connections a site has. The file has the whole
// mark, and compares it: nothing can be guessed.
type mark [markSize]byte

const (
	markSize = 12
	numberAt = 6
)

func newMark(seed uint64, id int64) (m mark) {
	rand.Read(m[:numberAt])
	var number [8]byte
	binary.BigEndian.PutUint64(number[:], uint64(id)<<16)
	copy(m[numberAt:], number[:6])
	m.cover(seed)
	return m
}

// number is the number of the connection, by the key of the store.
func (m mark) number(seed uint64) int64 {
	m.cover(seed)
	var number [8]byte
	copy(number[:], m[numberAt:])
	return int64(binary.BigEndian.Uint64(number[:]) >> 16)
}

func (m *mark) cover(seed uint64) {
	h := hmac.New(sha256.New, binary.BigEndian.AppendUint64([]byte("mark"), seed))
	h.Write(m[:numberAt])
	for i, b := range h.Sum(nil)[:markSize-numberAt] {
		m[numberAt+i] ^= b
	}
}

// letters writes marks: what survives mail software that folds case.
var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// String returns the mark as a header has it.
func (m mark) String() string { return letters.EncodeToString(m[:]) }

// parseMark reads a mark.
func parseMark(text string) (m mark, ok bool) {
	b, err := letters.DecodeString(strings.ToLower(text))
	if err != nil || len(b) != markSize {
		return m, false
	}
	m = mark(b)
	return m, slices.Max(b) > 0
}
