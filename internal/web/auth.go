package web

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/mxprint/mxprint/internal/serve"
)

// How long what lets a browser in is good for.
const (
	linkTime    = 5 * time.Minute
	sessionTime = 12 * time.Hour
)

// The bounds of guessing.
const (
	maxTries   = 10 // wrong tokens of a source in tryTime
	tryTime    = time.Minute
	maxSources = 4096
)

// Keys are made of a token: of what lets browsers in. A sensor and mxprint web
// that read the same file have the same keys, and a new token ends all sessions.
// Safe for concurrent use.
type Keys struct {
	token         [sha256.Size]byte
	link, session []byte
	now           func() time.Time
	began         time.Time // links of before may have been used already

	mu    sync.Mutex
	used  map[string]time.Time     // links, until they expire
	tries map[netip.Prefix]attempt // wrong ones
}

type attempt struct {
	wrong int
	until time.Time
}

// NewKeys returns the keys of a token; "" is a random one, which no client has.
func NewKeys(token string) *Keys {
	if token == "" {
		token = rand.Text()
	}
	k := &Keys{token: sha256.Sum256([]byte(token)), now: time.Now, used: make(map[string]time.Time), tries: make(map[netip.Prefix]attempt)}
	k.began = time.Now().Truncate(time.Second)
	var err, err2 error
	k.link, err = hkdf.Key(sha256.New, []byte(token), nil, "mxprint link 1", sha256.Size)
	k.session, err2 = hkdf.Key(sha256.New, []byte(token), nil, "mxprint session 1", sha256.Size)
	if err = errors.Join(err, err2); err != nil {
		panic(err) // the length is one that HKDF has
	}
	return k
}

// is reports whether a text is the token; it takes as long for every wrong one.
func (k *Keys) is(token string) bool {
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(sum[:], k.token[:]) == 1
}

// A code is a time, eight bytes by chance, and the HMAC of both.
const (
	stamp  = 8
	chance = 8
	signed = stamp + chance
)

// code makes one that carries a time.
func code(key []byte, at time.Time) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(at.Unix()))
	b = append(b, make([]byte, chance)...)
	rand.Read(b[stamp:])
	return base64.RawURLEncoding.EncodeToString(mac(key, b))
}

// mac appends the HMAC of a text to it.
func mac(key, b []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(b)
	return h.Sum(b)
}

// open returns the time that a code carries, if it was made with the key.
func open(key []byte, text string) (time.Time, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != signed+sha256.Size || !hmac.Equal(mac(key, b[:signed:signed]), b) {
		return time.Time{}, false
	}
	return time.Unix(int64(binary.BigEndian.Uint64(b)), 0), true
}

// Link returns the path of a link that lets one browser in, once, within five
// minutes. The sensor must have been started before.
func (k *Keys) Link() string { return "/link/" + code(k.link, k.now()) }

var (
	errLink = errors.New("the link is wrong, has been used, or is older than five minutes: mxprint web prints another")
	errMany = errors.New("too many wrong tokens from this address: wait a minute")
)

// redeem takes a link, and returns a session.
func (k *Keys) redeem(text string) (string, error) {
	at, ok := open(k.link, text)
	now := k.now()
	if !ok || at.Before(k.began) || at.After(now.Add(linkTime)) || now.Sub(at) > linkTime {
		return "", errLink
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for code, until := range k.used { // few: a person makes them
		if now.After(until) {
			delete(k.used, code)
		}
	}
	if _, again := k.used[text]; again {
		return "", errLink
	}
	k.used[text] = at.Add(2 * linkTime)
	return code(k.session, now.Add(sessionTime)), nil
}

// entered reports whether a cookie is a session that goes on.
func (k *Keys) entered(cookie string) (ok, expired bool) {
	until, ok := open(k.session, cookie)
	expired = ok && !k.now().Before(until)
	return ok && !expired, expired
}

// mayTry reports whether a source may show a token; wrong counts one that was
// wrong. Who has no address, as on a unix socket, may.
func (k *Keys) mayTry(source netip.Prefix) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	a := k.tries[source]
	return a.wrong < maxTries || !k.now().Before(a.until)
}

func (k *Keys) wrong(source netip.Prefix) {
	if !source.IsValid() {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	a, known := k.tries[source]
	if !known && len(k.tries) >= maxSources {
		for s, a := range k.tries {
			if !now.Before(a.until) {
				delete(k.tries, s)
			}
		}
		for s := range k.tries { // any of them: a token is no shorter for that
			if len(k.tries) < maxSources {
				break
			}
			delete(k.tries, s)
		}
	}
	if !now.Before(a.until) {
		a = attempt{until: now.Add(tryTime)}
	}
	a.wrong++
	k.tries[source] = a
}

// sourceOf is the source of a client; not valid where it has none.
func sourceOf(remote string) netip.Prefix {
	at, _ := netip.ParseAddrPort(remote)
	return serve.Source(at.Addr())
}
