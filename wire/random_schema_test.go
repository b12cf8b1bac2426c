package wire_test

import (
	"hash/fnv"
	"math/rand/v2"
	"sync"

	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/protean-gateway/protean/wire"

	_ "google.golang.org/protobuf/types/known/anypb"
	_ "google.golang.org/protobuf/types/known/durationpb"
	_ "google.golang.org/protobuf/types/known/emptypb"
	_ "google.golang.org/protobuf/types/known/fieldmaskpb"
	_ "google.golang.org/protobuf/types/known/structpb"
	_ "google.golang.org/protobuf/types/known/timestamppb"
	_ "google.golang.org/protobuf/types/known/wrapperspb"
)

// maxRandomSeed bounds the seed of a schema: behind it, choices are pseudo-random.
const maxRandomSeed = 48

// randomSchemaOf returns the schema that is made from the seed, or nil where the seed is
// too long, or where what was made breaks a rule of protobuf's.
func randomSchemaOf(seed []byte) *decodeSchema {
	if len(seed) > maxRandomSeed {
		return nil
	}
	s, err := randomSchemas.of(seed)
	if err != nil {
		return nil
	}
	return s
}

// randomSchemas keeps the last schemas: a fuzzer mostly changes something else.
var randomSchemas = schemaCache{made: make(map[string]*decodeSchema)}

type schemaCache struct {
	sync.Mutex
	made map[string]*decodeSchema
}

func (c *schemaCache) of(seed []byte) (*decodeSchema, error) {
	c.Lock()
	defer c.Unlock()
	if s := c.made[string(seed)]; s != nil {
		return s, nil
	}
	if len(c.made) == 256 {
		clear(c.made)
	}
	s, err := makeSchema(seed)
	if err == nil {
		c.made[string(seed)] = s
	}
	return s, err
}

func makeSchema(seed []byte) (*decodeSchema, error) {
	s := &decodeSchema{files: new(protoregistry.Files), inAny: []string{"r.M0", "google.protobuf.Duration", "google.protobuf.Empty", "google.protobuf.Value"}}
	made := makeTypes(seed)
	for _, path := range made.Dependency {
		known, err := protoregistry.GlobalFiles.FindFileByPath(path)
		if err != nil {
			return nil, err
		}
		if err := s.files.RegisterFile(known); err != nil {
			return nil, err
		}
	}
	file, err := protodesc.NewFile(made, s.files)
	if err != nil {
		return nil, err
	}
	if err := s.files.RegisterFile(file); err != nil {
		return nil, err
	}
	s.types = wire.NewTypes(s)
	s.protobuf = dynamicpb.NewTypes(s.files)
	return s, nil
}

// randomMessage returns one of the messages of a random schema.
func (s *decodeSchema) randomMessage(choice byte) *wire.Message {
	file, err := s.files.FindFileByPath("random.proto")
	if err != nil {
		panic(err)
	}
	messages := file.Messages()
	return s.types.Message(messages.Get(int(choice) % messages.Len()))
}

// seedSource gives out the bytes of a seed, one for each choice, and then
// pseudo-random numbers.
type seedSource struct {
	seed []byte
	rest *rand.PCG
}

func newSeedSource(seed []byte) *seedSource {
	h := fnv.New64a()
	h.Write(seed)
	return &seedSource{seed, rand.NewPCG(h.Sum64(), 2)}
}

func (s *seedSource) Uint64() uint64 {
	if len(s.seed) == 0 {
		return s.rest.Uint64()
	}
	b := s.seed[0]
	s.seed = s.seed[1:]
	return uint64(b) * 0x0101010101010101 // each byte of it decides alike
}
