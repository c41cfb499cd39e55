package dialect

import "strings"

// Offer is a set of extensions that a server's reply to EHLO offers.
type Offer uint32

// The extensions that change what a client says, in the order in which they are
// printed.
var extensions = [...]struct{ name, keyword string }{
	{"pipelining", "PIPELINING"}, {"size", "SIZE"}, {"8bitmime", "8BITMIME"}, {"smtputf8", "SMTPUTF8"}, {"dsn", "DSN"},
	{"chunking", "CHUNKING"}, {"starttls", "STARTTLS"}, {"auth", "AUTH"}, {"requiretls", "REQUIRETLS"}, {"binarymime", "BINARYMIME"},
}

// Bits of Offer that the rules use, by their place in extensions.
const (
	offerPipelining Offer = 1 << iota
	offerSize
	offer8BitMIME
	offerSMTPUTF8
	offerDSN
	offerChunking
	offerStartTLS
	offerAuth
	offerRequireTLS
	offerBinaryMIME
)

// OfferOf returns the extension that one line of a reply to EHLO offers, such as
// "SIZE 10240000", or none for one that changes nothing.
func OfferOf(line string) Offer {
	word, _, _ := strings.Cut(line, " ")
	if len(word) > 5 && strings.EqualFold(word[:5], "AUTH=") {
		word = word[:4]
	}
	for i := range extensions {
		if strings.EqualFold(word, extensions[i].keyword) {
			return 1 << i
		}
	}
	return 0
}

// Has reports whether all of some extensions are offered.
func (o Offer) Has(all Offer) bool { return o&all == all }

// String returns the names, with commas between them: "pipelining,size".
func (o Offer) String() string { return string(o.appendTo(nil)) }

func (o Offer) appendTo(b []byte) []byte {
	sep := ""
	for i := range extensions {
		if o&(1<<i) != 0 {
			b = append(append(b, sep...), extensions[i].name...)
			sep = ","
		}
	}
	return b
}

// ParseOffer reads what String prints.
func ParseOffer(text string) (o Offer, ok bool) {
	if text == "" {
		return 0, true
	}
	for _, name := range strings.Split(text, ",") {
		bit := Offer(0)
		for i := range extensions {
			if extensions[i].name == name {
				bit = 1 << i
			}
		}
		if bit == 0 {
			return 0, false
		}
		o |= bit
	}
	return o, true
}

// Needs returns the extension that a parameter of MAIL or RCPT belongs to, such
// as "SIZE=" or "BODY=8BITMIME", or none. Case does not count.
func Needs(parameter string) Offer {
	name, _, _ := strings.Cut(parameter, "=")
	for _, p := range parameters {
		if strings.EqualFold(name, p.name) {
			return p.needs
		}
	}
	return 0
}

var parameters = [...]struct {
	name  string
	needs Offer
}{
	{"SIZE", offerSize}, {"BODY", offer8BitMIME}, {"SMTPUTF8", offerSMTPUTF8}, {"RET", offerDSN}, {"ENVID", offerDSN},
	{"NOTIFY", offerDSN}, {"ORCPT", offerDSN}, {"AUTH", offerAuth}, {"REQUIRETLS", offerRequireTLS},
}
