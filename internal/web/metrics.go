package web

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mxprint/mxprint/internal/status"
)

// collector makes metrics of a Status at each scrape. Labels are bounded: front,
// source, state and reason by the program and its configuration, system by the
// built-in database. None is an address or a text of a client.
type collector struct{ status func() *status.Status }

// Describe implements prometheus.Collector: which metrics there are depends on the
// Status.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	s := c.status()
	m := metrics{ch}
	m.gauge("info", "The version that runs; always 1.", 1, "version", s.Version)
	m.gauge("start_time_seconds", "When the process started, in seconds since 1970.", seconds(s.Started))
	for _, h := range []status.Health{status.Well, status.Degraded, status.Down} {
		m.gauge("health", "1 for the health that the sensor has, 0 for the others.", truth(s.Health == h), "health", string(h))
	}
	for _, src := range s.Sources {
		m.source(&src)
	}
	for _, f := range s.Fronts {
		m.front(&f)
	}
	m.lookups(&s.Lookups)
	if s.Asks == "" {
		m.gauge("hosts", "Addresses that are remembered.", float64(s.Hosts.Now))
		m.gauge("hosts_limit", "Addresses that may be remembered (limits.hosts).", float64(s.Hosts.Max))
		m.gauge("connections", "Connections under way that are followed.", float64(s.Connections.Now))
		m.gauge("connections_limit", "Connections that may be followed (limits.connections).", float64(s.Connections.Max))
		m.signatures(&s.Database)
	}
	if s.Memory > 0 {
		m.gauge("resident_memory_bytes", "Resident memory of the process.", float64(s.Memory))
	}
	m.counters("lost_observations_total", "Observations that no log has: it was too slow, or could not be written.",
		"reason", counts{"slow": s.Lost.Observations, "unwritten": s.Lost.Unwritten})
	m.counter("suppressed_log_lines_total", "Log lines left out because there were many of their kind.", s.Lost.LogLines)
	if s.Shared != nil {
		m.shared(s.Shared)
	}
	if s.Certificate != nil {
		m.gauge("certificate_expiry_timestamp_seconds", "When the certificate of the query socket by TLS expires.", seconds(*s.Certificate))
	}
	m.export(s)
	m.store(s.Store)
	m.counter("unread_frames_total", "Frames that could not be read: malformed, of another link, in tunnels that are not opened, cut.", s.NotRead)
	m.gauge("configuration_valid", "1 while the configuration file would start again.", truth(s.Configuration.Fault == ""))
	m.gauge("configuration_keys_waiting", "Keys of the configuration file that wait for a restart.", float64(len(s.Configuration.Waiting)))
}

// metrics sends metrics to a scrape. labels are names and values in turn.
type metrics struct{ ch chan<- prometheus.Metric }

func (m metrics) gauge(name, help string, v float64, labels ...string) {
	d, values := desc(name, help, labels)
	m.ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, values...)
}

func (m metrics) counter(name, help string, n uint64, labels ...string) {
	d, values := desc(name, help, labels)
	m.ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), values...)
}

func desc(name, help string, labels []string) (d *prometheus.Desc, values []string) {
	var names []string
	for pair := range slices.Chunk(labels, 2) {
		names, values = append(names, pair[0]), append(values, pair[1])
	}
	return prometheus.NewDesc("mxprint_"+name, help, names, nil), values
}

// counts are by the value of a label.
type counts = map[string]uint64

// counters sends a counter for each value of a label.
func (m metrics) counters(name, help, label string, all counts, labels ...string) {
	for value, n := range all {
		m.counter(name, help, n, append([]string{label, value}, labels...)...)
	}
}

func (m metrics) store(s *status.Store) {
	if s == nil {
		return
	}
	m.gauge("store_up", "1 while connections are remembered.", truth(s.Fault == ""))
	m.gauge("store_bytes", "Size of the store's files.", float64(s.Bytes))
	m.gauge("store_limit_bytes", "Size that they may have (store.size_mib).", float64(s.MaxBytes))
	m.gauge("store_queued", "Connections and verdicts that wait to be written.", float64(s.Queued))
	m.counter("store_connections_total", "Connections that were written.", s.Written)
	m.counter("store_dropped_total", "Connections and verdicts that could not be written in time.", s.Dropped)
	m.counter("store_set_aside_total", "Damaged files that were set aside.", s.Asides)
	m.counter("store_slow_lookups_total", "Answers without memory: the store was too slow, or could not be read.", s.Slow)
	m.counters("verdicts_total", "Verdicts that came, by whether their connection was found.", "found", counts{"yes": s.Verdicts, "no": s.Orphans})
}

func (m metrics) source(s *status.Source) {
	m.gauge("source_up", "1 while a source of SYNs runs.", truth(s.State == status.Running), "source", s.Name)
	m.counter("source_frames_total", "Frames that a source handed over.", s.Frames, "source", s.Name)
	m.counter("source_syns_total", "SYNs among the frames of a source.", s.SYNs, "source", s.Name)
	m.counter("source_dropped_frames_total", "Frames lost because the sensor was slower than the network.", s.Drops, "source", s.Name)
	if s.Last != nil {
		m.gauge("source_last_frame_timestamp_seconds", "When the last frame of a source came.", seconds(*s.Last), "source", s.Name)
	}
}

func (m metrics) front(f *status.Front) {
	if f.Asks() {
		a := f.Answers
		m.counters("answers_total", "Answers by front and state of the note.",
			"state", counts{"matched": a.Matched, "unknown": a.Unknown, "not_seen": a.NotSeen, "unavailable": a.Unavailable}, "front", f.Name)
		m.counter("late_answers_total", "Questions without an answer by their deadline, or without a sensor.", f.Late, "front", f.Name)
		m.counter("bad_requests_total", "Malformed questions.", f.Bad, "front", f.Name)
	}
	m.gauge("front_failed_listeners", "Listeners of a front that do not listen now.", float64(len(f.Failed)), "front", f.Name)
	if f.MaxConns > 0 {
		m.gauge("front_connections", "Connections to a front now.", float64(f.Open), "front", f.Name)
		m.counter("front_connections_total", "Connections to a front so far.", f.Served, "front", f.Name)
	}
	m.counters("front_rejected_total", "Connections closed over a limit, without a token, or because they did not read.",
		"reason", counts{"limit": f.Refused, "token": f.Denied, "unread": f.Dropped}, "front", f.Name)
}

func (m metrics) shared(s *status.Shared) {
	for what, fault := range map[string]string{"lookups": s.Fault, "publishing": s.WriteFault} {
		m.gauge("shared_store_up", "1 while the shared store answers look-ups, or takes what is published.", truth(fault == ""), "for", what)
	}
	m.counters("shared_store_lookups_total", "Look-ups by what they had of the shared store: answered from another sensor, not found, without it.",
		"result", counts{"found": s.Found, "not_found": s.Asked - min(s.Asked, s.Found), "without": s.Missed})
	m.counter("shared_store_errors_total", "Questions to the shared store without a proper answer in time.", s.Errors)
	m.counter("shared_store_malformed_total", "Records of the shared store that were not used.", s.Malformed)
	m.counter("shared_store_emptied_total", "Times that the shared store had lost what this sensor had said of itself: it was flushed, or restarted without its data.", s.Emptied)
	m.counter("shared_store_published_total", "Notes that were published in the shared store.", s.Published)
	m.counter("shared_store_dropped_total", "Notes and counts that could not be published in time.", s.Dropped)
	m.gauge("shared_store_queued", "Notes and counts that wait to be published.", float64(s.Queued))
	m.gauge("shared_store_lag_seconds", "How long what was published last had waited.", s.Lag)
}

func (m metrics) lookups(l *status.Lookups) {
	bounds := make(map[float64]uint64, len(l.Buckets))
	for _, b := range l.Buckets {
		if b.Seconds > 0 {
			bounds[b.Seconds] = b.Count
		}
	}
	d, _ := desc("lookup_duration_seconds", "How long look-ups took, their wait for a SYN included.", nil)
	m.ch <- prometheus.MustNewConstHistogram(d, l.Count(), l.Seconds, bounds)
	m.counters("matched_answers_total", "Matched answers by system; other are names that are not built in.", "system", l.Systems)
}

func (m metrics) signatures(db *status.Database) {
	m.gauge("signatures", "Signatures in use.", float64(db.Signatures))
	m.gauge("signatures_loaded_timestamp_seconds", "When the signatures were loaded.", seconds(db.Loaded))
	if at, err := time.Parse("2006-01", db.Date); err == nil {
		m.gauge("signatures_newest_timestamp_seconds", "The month of the newest signature.", seconds(at))
	}
}

// export is history on its way. Without [export] there is nothing.
func (m metrics) export(s *status.Status) {
	e := s.Export
	if e == nil {
		return
	}
	lag := 0.0
	if !e.Oldest.IsZero() {
		lag = s.Now.Sub(e.Oldest).Seconds()
	}
	m.counter("export_rows_total", "Rows of history that ClickHouse has taken.", e.Sent)
	m.gauge("export_waiting_rows", "Rows of history in the spool.", float64(e.Waiting))
	m.gauge("export_lag_seconds", "Age of the oldest row of history in the spool; 0 where none waits.", lag)
	m.gauge("export_spool_bytes", "Size of the spool of history.", float64(e.Bytes))
	m.gauge("export_spool_limit_bytes", "Size that the spool may have (export.spool_mib).", float64(e.MaxBytes))
	m.counter("export_failed_requests_total", "Requests to ClickHouse that failed.", e.Failures)
	m.counter("export_written_rows_total", "Rows of history in the file (export.file).", e.Written)
	m.gauge("export_failing", "1 while history does not arrive.", truth(e.Fault != ""))
	d := e.Dropped
	m.counters("export_dropped_rows_total", "Rows of history that nothing has.",
		"reason", counts{"memory": d.Memory, "full": d.Full, "disk": d.Disk, "damaged": d.Damaged, "refused": d.Refused, "file": d.File})
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
