package signature

// Hints that several messages share.
const (
	tcpFields  = "the fields are version:ttl:olen:mss:window,scale:layout:quirks:payload"
	httpFields = "the fields are version:headers:absent headers:software"
	someLines  = "split the signature into several lines"
	rawForm    = "give raw_sig as the log has it, such as 4:57+7:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0"
)

// fieldHints are the hints of messages that name a field.
var fieldHints = map[string]string{
	"IP option length":   "write how many bytes of IPv4 options there are, mostly 0",
	"MSS":                "write *: the MSS belongs to the path",
	"window":             "write a number, * or a term such as fit(65536)",
	"window divisor":     "%1 would be every window: write *",
	"window multiplier":  "write mss*N or mtu*N with a number that a window can have",
	"window scale":       "write a number, *, 5..9 or {0,7}",
	"buffer space":       "write a size in bytes, such as fit(65536)",
	"number of segments": "write a number of segments, such as seg(10)",
}
