package note

// Heard is what a mail server itself saw of its client on a connection, also
// inside TLS. All of it may be hostile: who answers takes no address from it, and
// believes nothing that the packets contradict.
type Heard struct {
	// Lines are what the client said, from the first on, without line ends and
	// without addresses, values and passwords: see dialect.Redact, whose language
	// it is. They are as they were sent, or what is known of them. Lines above
	// dialect.MaxLines are ignored.
	Lines []string
	// Gaps says that there were others between them: their order says nothing.
	Gaps bool
	// Offer is the extensions that the last reply to EHLO offered, such as
	// "pipelining,size" (dialect.Offer). OfferKnown says that it is known.
	Offer      string
	OfferKnown bool
	// Header says which fields the header of the first mail has, in their order:
	// what dialect.HeaderField returns for each, dialect.Relayed, or "none". It is
	// empty where that is not known.
	Header string
	// Saw are findings that the mail server makes itself: "early_talker",
	// "pipelining", "pipelining_order".
	Saw []string
	// TLS and Cipher are what was agreed: "1.3", "TLS_AES_256_GCM_SHA384"; empty
	// without TLS, and where it is not known.
	TLS, Cipher string
}

// Claims are what a mail and its sender say of themselves. HELO is the Query's
// Hello.
type Claims struct {
	// Name is the verified name of the client: found by its address, and its
	// address found by it. NameKnown says that somebody looked; then an empty Name
	// means that it is absent.
	Name      string
	NameKnown bool

	// HeadersKnown says that the header was looked at; then what is empty is
	// missing. Received is the first such field that the sender put in.
	HeadersKnown bool
	Mailer       string // X-Mailer, or User-Agent
	MessageID    string
	Received     string
}
