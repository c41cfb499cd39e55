package signature

// mend says what to do about a fault, for Check: by its message, and where a
// message serves several fields by the field.
func mend(format string, args []any) string {
	text := mends[format]
	if text != "" || len(args) == 0 {
		return text
	}
	field, _ := args[len(args)-1].(string)
	return fieldMends[field]
}

const (
	tcpFields  = "the fields are version:ttl:olen:mss:window,scale:layout:quirks:payload"
	httpFields = "the fields are version:headers:absent headers:software"
	someLines  = "split the signature into several lines"
)

// mends are keyed by the text given to fail. TestMends finds those missing.
var mends = map[string]string{
	// Lines.
	"want a section or name = value":                                                                     "begin a comment with ; on a line of its own",
	"carriage return; lines must end with a line feed alone":                                             "convert the file, for example with dos2unix",
	"unknown section; want one of [mtu], [tcp:request], [tcp:response], [http:request], [http:response]": "correct the line; what stands in this section was not checked",
	"unknown name; want label, sig, sys, classes, ua_os, or, source, date or uptime":                     "correct the name; capitals count",

	// Statements.
	"classes belong before the first section":                   "move the line to the beginning of the file",
	"want a class name":                                         "write classes = win,unix,other; letters and digits, nothing behind the last",
	"want a comma between classes":                              "write classes = win,unix,other; letters and digits, nothing behind the last",
	"class is not declared by a classes line":                   "use a declared class, or add this one to the line classes = … at the beginning of the file",
	"label before the first section":                            "put a section before it, such as [tcp:request]",
	"empty label":                                               "name the link",
	"want s or g and a colon as the label type":                 "write s:class:name:flavor, or g:… for a catch-all",
	"want class:name:flavor":                                    "write s:class:name:flavor; the flavor may be empty, its colon may not be missing",
	"want a name of letters, digits, spaces and ./-_!?()":       "leave other characters out of the name",
	"want a colon after the name":                               "write the name, a colon and the flavor; other characters than letters, digits, spaces and ./-_!?() cannot stand in a name",
	"want the sys line of the label before":                     "put sys = @class,name directly after a label of class !",
	"sys belongs directly after a label of class !":             "remove the line, or make the class of the label !",
	"want a system or @class":                                   "write sys = @unix,Linux; nothing behind the last",
	"want a comma between systems":                              "write the systems with commas between them, and nothing behind the last",
	"sig belongs after a label":                                 "put a section and a label line before it",
	"or belongs after a label of [tcp:…], before its first sig": "move the line up to its label",
	"more than %d candidates":                                   "name the likeliest",
	"%s belongs after a label":                                  "move the line below its label",
	"uptime belongs after a label of [tcp:…]":                   "move the line below its label",
	"want boot or random":                                       "write boot where the timestamps count from the start of the system, else random",
	"empty source":                                              "say how the signature is known, or remove the line",
	"want YYYY-MM or YYYY-MM-DD":                                "write the date of the observation, such as 2026-11",
	"ua_os belongs in [http:request], before its first label":   "move the line there",
	"want the name of a system":                                 "write ua_os = Linux,Windows=[text]",
	"want an MTU, 1 to 65535":                                   "write a number of bytes alone; one sig line for each",

	// Signatures of TCP.
	"want 4, 6 or * and a colon as the IP version": tcpFields,
	"want 1 to 255 as the initial TTL":             "write what the sender's stack puts there, mostly 64, 128 or 255",
	"more than %d initial TTLs":                    someLines,
	"signature ends after the initial TTL":         tcpFields,
	"want %q after the %s":                         tcpFields,
	"want a colon after the %s":                    "the colon is missing, or something stands before it; " + tcpFields,
	"want a number or a range as the %s":           "write 5, 5..9 or {5,7..9}",
	"want the end of the range":                    "write A..B, both ends with a number",
	"the range ends before it begins":              "write the smaller number first",
	"more than %d items":                           "use ranges, or " + someLines,
	"want %q or %q in the list":                    "put commas between the items of {…}, and | between those of fit(…) and seg(…)",
	"more than %d alternatives":                    someLines,
	"want a comma after the window":                "write window,scale: for example fit(65536),7 or *,*",
	"want a window: a number, a range, {…}, %%N, mss*N, mtu*N, fit(…) or seg(…)": "docs/signatures.md explains the terms; * stands alone",
	"want a closing parenthesis":                               "close the parenthesis",
	"want mss, mss-12 or * as the unit":                        "write fit(65536), fit(65536/mss-12) or fit(65536/*)",
	"no range of segments":                                     "list them: seg(10|20)",
	"more than %d options":                                     "a TCP header has no room for that many",
	"want an option: eol+N, nop, mss, ws, sok, sack, ts or ?N": "write an option without a name by its kind, such as ?30",
	"eol must be the last option":                              "remove what stands behind it; eol+N counts the bytes",
	"want a comma or a colon after an option":                  "put commas between the options, and a colon behind the last",
	"want a comma, | or %q after an option":                    "put commas between the options, | between the alternatives; groups do not nest",
	"want %q":                                                  "close the group; groups do not nest",
	"more than %d forms of the option layout":                  someLines,
	"only ts, sok and ws have erased forms":                    "remove the ~",
	"unknown quirk":                                            "want df, id+, id-, ecn, 0+, flow, seq-, ack+, ack-, uptr+, urgf+, pushf+, ts1-, ts2+, opt+, exws or bad",
	"quirk of IPv4 in a signature for IPv6":                    "remove the quirk, or make the version * or 4",
	"quirk of IPv6 in a signature for IPv4":                    "remove the quirk, or make the version * or 6",
	"want a comma or a colon after a quirk":                    "put commas between the quirks, and a colon behind the last",
	"want a payload class, 0 or + or *":                        "the line ends with the payload class; nothing may stand behind it, no comment either",
	"signature is already covered by %s":                       "remove it, or move it up if it is the narrower one",
	"MTU already has a link in %s":                             "remove one of them; the first counts",
	"label without a signature":                                "remove the label, or write its sig lines below it",
	"link without a signature":                                 "remove the label, or write its sig lines below it",
	"signature can never match: that of line %d, before it, takes all that it takes":     "remove it, or move it up if it is the narrower one",
	"signature can never match: that of line %d is specific and takes all that it takes": "remove it, or make its label specific and move it up",

	// Signatures of HTTP.
	"want 0, 1 or * and a colon as the HTTP version": httpFields,
	"more than %d headers":                           "name the telling ones",
	"want a header name":                             "names are of letters, digits, - and _; a ? before one makes it optional",
	"want a comma or a colon after a %s":             "put commas between the headers, and a colon behind the last",
	"want [text]":                                    "write NAME=[text]",
	"empty text in brackets":                         "write a text, or leave =[] out",
	"colon in the expected software":                 httpFields,
}

// fieldMends serve the messages that name a field.
var fieldMends = map[string]string{
	"IP option length":   "write how many bytes of IPv4 options there are, mostly 0",
	"MSS":                "write *: the MSS belongs to the path",
	"window":             "write a number, * or a term such as fit(65536)",
	"window divisor":     "%1 would be every window: write *",
	"window multiplier":  "write mss*N or mtu*N with a number that a window can have",
	"window scale":       "write a number, *, 5..9 or {0,7}",
	"buffer space":       "write a size in bytes, such as fit(65536)",
	"number of segments": "write a number of segments, such as seg(10)",
}
