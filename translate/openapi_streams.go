package translate

// streamSchemas are the frames that end a stream.
func streamSchemas() []member {
	return []member{
		{ownPrefix + "StreamError", newObject(
			member{"type", "object"},
			member{"description", "The last frame of a stream that failed."},
			member{"properties", newObject(member{"error", reference("schemas", statusName)})},
			member{"required", []any{"error"}},
		)},
		{ownPrefix + "StreamEnd", endSchema()},
	}
}

func endSchema() *object {
	trailers := newObject(
		member{"type", "object"},
		member{"description", "The trailing metadata of the backend."},
		member{"additionalProperties", newObject(member{"type", "array"}, member{"items", newObject(member{"type", "string"})})},
	)
	return newObject(
		member{"type", "object"},
		member{"description", "The last frame of a stream that is complete. A stream that ends with neither this " +
			"nor an error was cut off."},
		member{"properties", newObject(member{"end", newObject(
			member{"type", "object"},
			member{"properties", newObject(member{"trailers", trailers})},
		)})},
		member{"required", []any{"end"}},
	)
}

// streamContent describes a stream of answers in each form that a client may ask for;
// the first is what one gets that asks for none.
func streamContent(r *route, message *object) *object {
	o := newObject()
	if r.streams == formatEnvelopes {
		o.set(typeJSON, newObject(member{"schema", envelopeSchema(message)}))
	}
	o.set(typeNDJSON, newObject(member{"schema", frameSchema("A frame on each line.", message)}))
	o.set(typeEvents, newObject(member{"schema", frameSchema("A frame as the data of each event. "+
		"The last one is an event `end` or `error`, others have no name.", message)}))
	if r.streams != formatEnvelopes {
		o.set(typeJSON, newObject(member{"schema", newObject(
			member{"type", "array"},
			member{"description", "All messages. An array without its closing bracket was cut off."},
			member{"items", message},
		)}))
	}
	return o
}

func frameSchema(description string, message *object) *object {
	return newObject(
		member{"description", description},
		member{"oneOf", []any{
			wrapped("data", message),
			reference("schemas", ownPrefix+"StreamError"),
			reference("schemas", ownPrefix+"StreamEnd"),
		}},
	)
}

// envelopeSchema describes a line of a stream in the form of grpc-gateway.
func envelopeSchema(message *object) *object {
	return newObject(
		member{"description", "A message or an error on each line, as grpc-gateway writes them."},
		member{"oneOf", []any{wrapped("result", message), reference("schemas", ownPrefix+"StreamError")}},
	)
}

// wrapped describes an object with one member, which must be there.
func wrapped(name string, value *object) *object {
	return newObject(
		member{"type", "object"},
		member{"properties", newObject(member{name, value})},
		member{"required", []any{name}},
	)
}

// streamNote says how the streams of a method are carried.
func streamNote(r *route) string {
	const socket = " A WebSocket can be opened at this path instead: each of its messages is a frame."
	switch m := r.method; {
	case m.ClientStreams && !r.hasBody():
		return "Takes a stream of messages, over a WebSocket at this path only: each of its messages is a frame."
	case m.ClientStreams && m.ServerStreams:
		return "Takes a stream of messages and answers with a stream; both are open at the same time." + socket
	case m.ClientStreams:
		return "Takes a stream of messages." + socket
	case m.ServerStreams:
		return "Answers with a stream of messages." + socket
	default:
		return ""
	}
}
