package schema

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/jhump/protoreflect/v2/grpcreflect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// DefaultReflectionTimeout bounds one load by reflection.
const DefaultReflectionTimeout = 10 * time.Second

// maxReflectedServices bounds how many questions one load asks.
const maxReflectedServices = 2000

// Reflection is a source that asks a gRPC server: by grpc.reflection.v1, or
// v1alpha if it has no v1. The services of health checks and of reflection itself are
// left out. Only files that services need are asked for, not unused extensions.
type Reflection struct {
	// Conn is the connection to the server. It is not closed.
	Conn grpc.ClientConnInterface
	// Metadata returns what is sent with the question, such as an authorization
	// token. It is called before each load, so that a token may change. Nil: none.
	Metadata func() (metadata.MD, error)
	// Timeout bounds one load. Default: [DefaultReflectionTimeout].
	Timeout time.Duration
	// Services are those to ask for, of the ones that the server lists. Empty: all.
	Services []string
	// Replicas are the servers behind the connection. Nil: it is taken to lead to one.
	Replicas Replicas

	agreement agreement
	answers   map[string]*Files // the latest of each replica
	next      int               // where among the replicas the next load begins
}

// Replicas are servers of one backend that can be asked one by one.
type Replicas interface {
	// Addresses returns those that take calls, in order. It may be empty.
	Addresses() []string
	// On returns a context whose reflection is answered by one of them.
	On(ctx context.Context, address string) context.Context
}

// Kind implements [Source].
func (s *Reflection) Kind() string { return "reflection" }

// Paths implements [Source]: there are none.
func (s *Reflection) Paths() []string { return nil }

// Load implements [Source]. Where there are several replicas, each of them is asked, up to
// [maxAskedReplicas] in one load; where they do not agree, it is a [SkewError].
func (s *Reflection) Load(ctx context.Context) (*Files, error) {
	timeout := cmp.Or(s.Timeout, DefaultReflectionTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout,
		unreachableError{fmt.Errorf("server reflection has not finished within %v", timeout)})
	defer cancel()
	if s.Metadata != nil {
		extra, err := s.Metadata()
		if err != nil {
			return nil, err
		}
		ctx = metadata.NewOutgoingContext(ctx, extra)
	}
	answers, err := s.ask(ctx)
	if err != nil {
		return nil, err
	}
	return s.agreement.decide(answers)
}

// ask returns what the replicas answered last, of which there is at least one.
func (s *Reflection) ask(ctx context.Context) (map[string]*Files, error) {
	var addresses []string
	if s.Replicas != nil {
		addresses = s.Replicas.Addresses()
	}
	if len(addresses) > 1 {
		return s.askEach(ctx, addresses)
	}
	s.answers, s.next = nil, 0
	files, err := s.reflect(ctx)
	if err != nil {
		return nil, err
	}
	address := "it"
	if len(addresses) == 1 {
		address = addresses[0]
	}
	answers := map[string]*Files{address: files}
	// Behind one address there may be several servers: what is new must be said more than once.
	for i := 0; i < confirmations && s.agreement.isNews(files) && ctx.Err() == nil; i++ {
		if again, err := s.reflect(ctx); err == nil && again.Digest != files.Digest {
			answers[fmt.Sprintf("%s when asked again", address)] = again
		}
	}
	return answers, nil
}

// askEach asks replicas by their addresses. One that does not answer does not count; an error says
// that none did.
func (s *Reflection) askEach(ctx context.Context, addresses []string) (map[string]*Files, error) {
	type answer struct {
		files *Files
		err   error
	}
	asked := s.turn(addresses)
	answers := make([]answer, len(asked))
	var asking sync.WaitGroup
	places := make(chan struct{}, askedAtOnce)
	for i, address := range asked {
		asking.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			answers[i].err = Guard(func() (err error) {
				answers[i].files, err = s.reflect(s.Replicas.On(ctx, address))
				return err
			})
		})
	}
	asking.Wait()
	latest := make(map[string]*Files, len(addresses))
	for _, address := range addresses {
		if known := s.answers[address]; known != nil && !slices.Contains(asked, address) {
			latest[address] = known
		}
	}
	var failed error
	for i, address := range asked {
		if answers[i].err != nil {
			failed = cmp.Or(failed, answers[i].err)
			continue
		}
		latest[address] = shared(latest, answers[i].files)
	}
	s.answers = latest
	if len(latest) == 0 {
		return nil, failed
	}
	return latest, nil
}

// turn returns the replicas that are asked in this load.
func (s *Reflection) turn(addresses []string) []string {
	if len(addresses) <= maxAskedReplicas {
		return addresses
	}
	asked := make([]string, maxAskedReplicas)
	for i := range asked {
		asked[i] = addresses[(s.next+i)%len(addresses)]
	}
	s.next = (s.next + maxAskedReplicas) % len(addresses)
	return asked
}

// shared returns files that are known already in place of equal ones, so that many replicas do not
// take the memory of many.
func shared(known map[string]*Files, files *Files) *Files {
	for _, other := range known {
		if other.Digest == files.Digest {
			return other
		}
	}
	return files
}

// reflect asks one server.
func (s *Reflection) reflect(ctx context.Context) (*Files, error) {
	q := newQuestioning(ctx, s.Conn)
	defer q.client.Reset()
	services, err := q.services(s.Services)
	if err != nil {
		return nil, err
	}
	if err := q.files.completeImports(q.file, q.files.repairReflected); err != nil {
		return nil, err
	}
	if services, err = q.declared(services); err != nil {
		return nil, err
	}
	files, err := q.files.files(services)
	if err == nil {
		files.warnOfStrippedOptions(q.files.stripped)
	}
	return files, err
}

// questioning is one load by reflection.
type questioning struct {
	ctx    context.Context
	client *grpcreflect.Client
	*recording
}

func newQuestioning(ctx context.Context, conn grpc.ClientConnInterface) *questioning {
	record := &recording{ClientConnInterface: conn, files: newGathering()}
	return &questioning{ctx, grpcreflect.NewClientAuto(ctx, record), record}
}

// services asks which services there are, and for the files that declare them.
func (q *questioning) services(wanted []string) ([]string, error) {
	listed, err := q.client.ListServices()
	if err != nil {
		return nil, q.explain(err)
	}
	names := []string{} // not nil, which would stand for all
	for _, name := range listed {
		name := string(name)
		if isInfrastructure(name) || len(wanted) > 0 && !slices.Contains(wanted, name) {
			continue
		}
		names = append(names, name)
	}
	if len(names) > maxReflectedServices {
		return nil, fmt.Errorf("the server lists more than %d services", maxReflectedServices)
	}
	for _, name := range names {
		if err := q.service(name); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// service asks for the file that declares a service. A server that answers, be it with an error, can be
// asked on.
func (q *questioning) service(name string) error {
	q.refused = false
	_, err := q.client.FileContainingSymbol(protoreflect.FullName(name))
	if err == nil || q.err == nil && (q.refused || grpcreflect.IsElementNotFoundError(err) || q.files.declares(name)) {
		return nil
	}
	return q.explain(err)
}

// declared returns the services that some file declares. The others are problems, and an error where
// there are no others.
func (q *questioning) declared(names []string) ([]string, error) {
	declared := declaredServices(q.files.order)
	found := make([]string, 0, len(names))
	for _, name := range names {
		if declared[name] {
			found = append(found, name)
			continue
		}
		q.files.report(name, "the server lists this service but has no descriptor of it; give the backend "+
			"--descriptors or --proto, or name the services to serve without it")
	}
	if len(found) == 0 && len(names) > 0 {
		return nil, (&Files{Problems: q.files.problems}).Whole()
	}
	return found, nil
}

// file asks for a file. That the server does not have it is no error.
func (q *questioning) file(path string) error {
	_, err := q.client.FileByFilename(path)
	if err != nil && (q.err != nil || q.ctx.Err() != nil || status.Code(err) == codes.Unavailable) {
		return q.explain(err)
	}
	return nil
}

// explain says what an error of the client means for the operator.
func (q *questioning) explain(err error) error {
	if err == nil || q.err != nil {
		return q.err
	}
	if q.ctx.Err() != nil {
		return context.Cause(q.ctx)
	}
	switch status.Code(err) {
	case codes.Unimplemented:
		return errors.New("no server reflection; switch it on in the server, or give the backend --descriptors or --proto")
	case codes.Unauthenticated, codes.PermissionDenied:
		return fmt.Errorf("server reflection is refused; give the metadata that it asks for: %w", err)
	case codes.Unavailable:
		return unreachableError{fmt.Errorf("the server is not reachable: %w", err)}
	}
	if errors.Is(err, io.EOF) {
		return errors.New("the server ended the reflection stream without an answer")
	}
	return fmt.Errorf("server reflection failed: %w", err)
}

// unreachableError says that a server could not be asked, so that nothing is known of its schema.
type unreachableError struct{ error }

func (e unreachableError) Unwrap() error { return e.error }

// IsUnreachable reports whether a source failed because its server did not answer, not because of
// what it answered.
func IsUnreachable(err error) bool {
	_, ok := errors.AsType[unreachableError](err)
	return ok
}
