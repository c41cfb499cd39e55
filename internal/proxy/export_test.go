package proxy

import "time"

// Stalled sets how long a client may leave a reply unread.
func (s *Server) Stalled(d time.Duration) *Server {
	s.stalled = d
	return s
}
