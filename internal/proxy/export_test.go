package proxy

// Pumps has the server carry as on systems without epoll.
func (s *Server) Pumps() *Server {
	s.pumps = true
	return s
}
