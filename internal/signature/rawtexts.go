package signature

import "github.com/mxprint/mxprint/packet"

// RawTexts appends raw signatures as AppendRaw does, in a third of the time: it
// remembers what follows the TTL, which senders share. It holds at most
// mostRawTexts texts, 1 MiB. The zero value is ready; not safe for concurrent use.
type RawTexts struct{ texts map[rawKind]string }

// mostRawTexts is how many texts are remembered before all are forgotten.
const mostRawTexts = 4096

// rawKind is all that MultipleOf and appendKind look at.
type rawKind struct {
	quirks                        packet.Quirks
	window, mss, peer             uint16
	layout                        packet.Layout
	version, scale, ipOpt, header uint8
	segment                       packet.Type
	payload, timestamps           bool
}

// Append appends the raw signature of a segment. peerMSS is as in MultipleOf.
func (r *RawTexts) Append(dst []byte, s *packet.Segment, peerMSS uint16) []byte {
	kind := rawKind{
		quirks: s.Quirks, window: s.Window, mss: s.MSS, peer: peerMSS, layout: s.Layout,
		version: s.Version, scale: s.Scale, ipOpt: s.IPOptLen, header: s.HeaderLen,
		segment: s.Type, payload: s.PayloadLen > 0, timestamps: s.TS1 != 0,
	}
	text, ok := r.texts[kind]
	if !ok {
		if len(r.texts) >= mostRawTexts {
			clear(r.texts)
		}
		if r.texts == nil {
			r.texts = make(map[rawKind]string)
		}
		text = string(appendKind(nil, s, MultipleOf(s, peerMSS)))
		r.texts[kind] = text
	}
	return append(appendOrigin(dst, s), text...)
}
