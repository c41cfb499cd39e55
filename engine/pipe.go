package engine

// A pipe enters the frames of a file into a shard, on a goroutine of its own:
// one core reads, decodes and matches while another enters. Frames of an
// interface need none: they come on as many goroutines as there are workers, and
// their answer is waited for.
type pipe struct {
	queue chan *batch
	spare chan *batch
	made  int           // batches that go round
	done  chan struct{} // closed when all is entered and handed over
}

// pipeDepth is how many batches go round, 2 MiB at most with their payload. They
// come back many at a time: to wake a goroutine on another core takes longer than
// to enter a batch.
const pipeDepth = 64

func (e *Engine) newPipe(s *shard) *pipe {
	p := &pipe{
		queue: make(chan *batch, pipeDepth), spare: make(chan *batch, pipeDepth+1),
		done: make(chan struct{}),
	}
	go p.run(e, s)
	return p
}

func (p *pipe) run(e *Engine, s *shard) {
	defer close(p.done)
	var used []*batch
	for b := receive(p.queue); b != nil; b = receive(p.queue) {
		e.update(s, b.all[:b.n], true)
		b.n, b.data = 0, b.data[:0]
		used = append(used, b)
		if empty := len(p.queue) == 0; empty || len(used) == pipeDepth/2 {
			for _, b := range used {
				p.spare <- b
			}
			used = used[:0]
		}
	}
}

// send queues a batch and returns an empty one.
func (p *pipe) send(b *batch) *batch {
	put(p.queue, b)
	if len(p.spare) == 0 && p.made < pipeDepth {
		p.made++
		return new(batch)
	}
	return receive(p.spare)
}

// end returns when all that was sent is entered and handed over.
func (p *pipe) end() {
	close(p.queue)
	<-p.done
}
