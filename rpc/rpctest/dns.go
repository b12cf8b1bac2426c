package rpctest

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// DNS is a name server on loopback that answers every name with the same addresses,
// which may change. It is safe for concurrent use.
type DNS struct {
	// Server is its host:port.
	Server string

	mu        sync.Mutex
	addresses []netip.Addr
	texts     []string // of _grpc_config names
}

// StartDNS serves names until the test ends.
func StartDNS(t testing.TB, addresses ...string) *DNS {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	d := &DNS{Server: conn.LocalAddr().String()}
	d.Set(addresses...)
	served := make(chan struct{})
	go func() {
		defer close(served)
		d.serve(conn) // ends when it is closed
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-served
	})
	return d
}

// Set changes the addresses (IPv4).
func (d *DNS) Set(addresses ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.addresses = nil
	for _, a := range addresses {
		d.addresses = append(d.addresses, netip.MustParseAddr(a))
	}
}

// SetServiceConfig publishes a service config for all names (gRPC proposal A2), in JSON of 200 bytes or less.
func (d *DNS) SetServiceConfig(config string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.texts = []string{`grpc_config=[{"serviceConfig":` + config + `}]`}
}

func (d *DNS) serve(conn *net.UDPConn) {
	var question [512]byte
	for {
		n, from, err := conn.ReadFromUDP(question[:])
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(question[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		if answer, err := d.answer(&m); err == nil {
			_, _ = conn.WriteToUDP(answer, from) // a question that is lost is asked again
		}
	}
}

func (d *DNS) answer(m *dnsmessage.Message) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	q := m.Questions[0]
	m.Response, m.Additionals = true, nil
	if q.Type == dnsmessage.TypeTXT && strings.HasPrefix(q.Name.String(), "_grpc_config.") && d.texts != nil {
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, Body: &dnsmessage.TXTResource{TXT: d.texts},
		})
	}
	if q.Type == dnsmessage.TypeA {
		for _, a := range d.addresses {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
				Body:   &dnsmessage.AResource{A: a.As4()},
			})
		}
	}
	return m.Pack()
}
