// Package wire turns protobuf wire bytes into JSON and JSON into wire bytes,
// with message types known only at run time and without building messages.
//
// # A tour
//
// Everything begins with a [Types], which compiles descriptors:
//
//	types := wire.NewTypes(resolver)
//	book := types.Message(descriptor)
//
// A compiled [Message] is a plan: for each [Field] its tag, its names, its JSON key, the plan of
// its message. Whatever can be known before the first request is decided there.
//
// Out, from wire bytes to JSON, goes a [Projection]. It says which fields are
// written, under which names, in which order, and where null stops:
//
//	all := book.Project(wire.Options{})                         // canonical ProtoJSON
//	some, err := book.ProjectMask(wire.Options{}, paths)        // a field mask: ?fields=name,price
//	chosen, err := book.Select(selections)                      // a GraphQL selection set
//	dst, err = all.AppendJSON(dst, msg, nil)
//
// Fields come in any order on the wire, split, repeated, overruled; JSON has an order of its own.
// So a message is read twice. The index pass (index.go) sorts its records into one
// slot per field that is wanted, by the rules of a parser: the last scalar wins, parts of a message
// merge, a oneof keeps one member. The emit pass (emit.go) walks the projection and writes each slot. Nested messages
// are indexed when they are written, so that what is not selected is never looked into.
//
// In, from JSON to wire bytes, goes the message itself, driven by the same plan: the reader expects the
// fields in declared order and compares the next key with the next field's first.
//
//	dst, err = book.AppendWire(dst, json, wire.DecodeOptions{})
//
// Concatenation is merge in protobuf, so a request may be put together from parts: a
// JSON body, then what a URL says by [Path.AppendText], which therefore writes zeros too.
//
// Beside the two ways there is what policies and joins need: [Path.Values] reads
// single values, [Projection.Keys] those around joined fields, [Message.FieldPaths] names what
// a document sets, and a [Redaction] takes fields out of wire bytes.
//
// # Terminology
//
// A record is one tag with its value. A span is a range of bytes of the message that is read; a slot is
// where the index pass keeps what it found of a field: a span, or a chain of them. A step writes one member of a JSON
// object; a projection is a list of steps. A layout says which records go into which slots.
// A [Sink] receives what a projection cannot decide: the values of joined fields, and the [Fault] of
// a field that could not be written. An own form is the JSON of a well-known type, such as a timestamp in a string.
//
// # What holds everywhere
//
// Compiled values (Types, Message, Field, Projection, Path, Redaction) are safe for concurrent use.
// Functions named Append add to a slice of the caller's, keep neither it nor their input, and on an
// error return the slice as it was given. Messages are never written to; results alias
// their input only where the text says so. Once buffers have grown, writing and reading allocate nothing.
//
// Input is a stranger's, in both directions. Time is linear in its size; nesting is bounded, and so is what is
// written. An error of JSON or text is an [*Error] that is fit for a client. Bytes that are
// no valid message give an error that wraps [ErrMalformed], of which clients learn nothing.
package wire
