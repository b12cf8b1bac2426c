package schema

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/descriptorpb"
)

// TestAgreement says what is served after each of some loads. A load is what each replica
// answers; `=` stands before what all agree on, `!` before what is served where they do not.
func TestAgreement(t *testing.T) {
	for _, c := range []struct{ name, loads, want string }{
		{"one server changes", "a,b,b", "=a,=b,=b"},
		{"a rollout", "aaa,aab,abb,bbb", "=a,!a,!b,=b"},
		{"a rollout that is given up", "aa,ab,aa", "=a,!a,=a"},
		{"a start within a rollout takes what most have", "abb,bbb", "!b,=b"},
		{"a tie is no matter of order", "ba,ab", "!a,!a"},
		{"one address with two servers", "a,b,a,b,a", "=a,=b,!b,=b,!b"},
		{"one that is rolled back", "a,b,a,a,a,a,a", "=a,=b,!b,!b,!b,=a,=a"},
		{"one that is rolled back after long", "a,b" + strings.Repeat(",b", flapLoads) + ",a", "=a,=b" + strings.Repeat(",=b", flapLoads) + ",=a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var a agreement
			var got []string
			for load := range strings.SplitSeq(c.loads, ",") {
				answers := make(map[string]*Files)
				for i, version := range load {
					answers[fmt.Sprint("server", i)] = versioned(string(version))
				}
				files, err := a.decide(answers)
				mark := "="
				if isSkew(err) {
					mark = "!"
				}
				got = append(got, mark+files.Digest)
			}
			if text := strings.Join(got, ","); text != c.want {
				t.Errorf("%s gives\n%s, not\n%s", c.loads, text, c.want)
			}
		})
	}
}

func versioned(digest string) *Files {
	return &Files{Digest: digest, Set: &descriptorpb.FileDescriptorSet{}}
}

// several leads to several servers, as contexts say.
type several struct {
	grpc.ClientConnInterface // for questions to whichever
	servers                  map[string]grpc.ClientConnInterface
}

type serverKey struct{}

func (s *several) Addresses() []string {
	var addresses []string
	for address := range s.servers {
		addresses = append(addresses, address)
	}
	slices.Sort(addresses)
	return addresses
}

func (s *several) On(ctx context.Context, address string) context.Context {
	return context.WithValue(ctx, serverKey{}, address)
}

func (s *several) NewStream(ctx context.Context, d *grpc.StreamDesc, method string, o ...grpc.CallOption) (grpc.ClientStream, error) {
	if conn := s.servers[ctx.Value(serverKey{}).(string)]; conn != nil {
		return conn.NewStream(ctx, d, method, o...)
	}
	return nil, errors.New("nobody is there")
}

const (
	shopBefore = `name: "shop.proto" package: "shop" syntax: "proto3"
message_type { name: "Item" field { name: "name" json_name: "name" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL } }
service { name: "Shop" method { name: "Get" input_type: ".shop.Item" output_type: ".shop.Item" } }
service { name: "Stock" method { name: "Count" input_type: ".shop.Empty" output_type: ".shop.Empty" } }
message_type { name: "Empty" }`
	shopCommented = shopBefore + ` source_code_info { location { path: [4, 0] span: [1, 2, 3] leading_comments: "an item" } }`
)

var shopAfter = strings.Replace(shopBefore, "TYPE_STRING", "TYPE_BYTES", 1)

// TestReplicas asks each of several servers, of which one does not answer.
func TestReplicas(t *testing.T) {
	at := func(text string) grpc.ClientConnInterface {
		return dialServer(t, registerScripted(rawReflection(t, text)))
	}
	old, updated := at(shopBefore), at(shopAfter)
	conn := &several{servers: map[string]grpc.ClientConnInterface{"1": old, "2": old, "3": old, "4": nil}}
	source := &Reflection{Conn: conn, Replicas: conn}
	first, err := source.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	conn.servers["2"] = updated
	_, err = source.Load(t.Context())
	skew, ok := errors.AsType[*SkewError](err)
	if !ok || len(skew.Versions) != 2 || !slices.Equal(skew.Versions[0].From, []string{"1", "3"}) || !slices.Equal(skew.Versions[1].From, []string{"2"}) {
		t.Fatalf("in the rollout: %v", err)
	}
	if !slices.Equal(skew.Differ, []string{"shop.Shop"}) || skew.Versions[0].Digest != first.Digest {
		t.Errorf("they differ in %v", skew.Differ)
	}
	conn.servers["1"], conn.servers["3"] = updated, updated
	second, err := source.Load(t.Context())
	if err != nil || second.Digest != skew.Versions[1].Digest {
		t.Errorf("after the rollout: %v", err)
	}
	conn.servers = map[string]grpc.ClientConnInterface{"5": nil, "6": nil}
	if _, err := source.Load(t.Context()); err == nil || isSkew(err) {
		t.Errorf("nobody answers: %v", err)
	}
}

// TestManyReplicas asks some of many in each load, and all of them in several.
func TestManyReplicas(t *testing.T) {
	old := dialServer(t, registerScripted(rawReflection(t, shopBefore)))
	conn := &several{servers: make(map[string]grpc.ClientConnInterface)}
	for i := range 3*maxAskedReplicas - 5 {
		conn.servers[fmt.Sprintf("%02d", i)] = old
	}
	source := &Reflection{Conn: conn, Replicas: conn}
	for range 3 {
		if _, err := source.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(source.answers) != len(conn.servers) {
		t.Errorf("%d of %d have answered", len(source.answers), len(conn.servers))
	}
	conn.servers["40"] = dialServer(t, registerScripted(rawReflection(t, shopAfter)))
	skewed := 0
	for range 3 {
		if _, err := source.Load(t.Context()); isSkew(err) {
			skewed++
		}
	}
	if skewed == 0 {
		t.Error("the one of another version was not found")
	}
}

// TestPushedReplicas compares servers with what was registered: what they do besides, and comments,
// do not count.
func TestPushedReplicas(t *testing.T) {
	for _, c := range []struct {
		name, running string
		differ        []string
		says          string
	}{
		{"the same", shopBefore, nil, ""},
		{"the same but for comments", shopCommented, nil, ""},
		{"more services", shopBefore + ` service { name: "New" }`, nil, ""},
		{"another type", shopAfter, []string{"shop.Shop"}, "it shows in shop.Shop; what is registered"},
		{"a service less", strings.Replace(shopBefore, `"Stock"`, `"Other"`, 1), []string{"shop.Stock"},
			"the server at its address does not have shop.Stock; what is registered"},
	} {
		t.Run(c.name, func(t *testing.T) {
			registered, err := NewFiles(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{fileFromText(t, shopBefore)}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			conn := dialServer(t, registerScripted(rawReflection(t, c.running)))
			source := &Pushed{Files: registered, Running: &Reflection{Conn: conn}}
			files, err := source.Load(t.Context())
			if files != registered {
				t.Error("not what was registered")
			}
			skew, _ := errors.AsType[*SkewError](err)
			if (skew == nil) != (c.differ == nil) || skew != nil && (!slices.Equal(skew.Differ, c.differ) || !strings.Contains(skew.Error(), c.says)) {
				t.Errorf("it says %v", err)
			}
		})
	}
	t.Run("no reflection", func(t *testing.T) {
		source := &Pushed{Files: versioned("a"), Running: &Reflection{Conn: dialServer(t, func(*grpc.Server) {})}}
		if _, err := source.Load(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestSkewText bounds what is said of many replicas.
func TestSkewText(t *testing.T) {
	e := &SkewError{Differ: []string{strings.Repeat("x", 1000)}}
	for i := range 1000 {
		e.Differ = append(e.Differ, fmt.Sprint("service", i))
	}
	from := make([]string, 1000)
	e.Versions = []ReplicaVersion{{"0123456789abcdef", from}, {"fedc", from}}
	if text := e.Error(); len(text) > 2000 || !strings.Contains(text, "and 993 more") {
		t.Errorf("%d bytes: %s", len(text), text)
	}
}
