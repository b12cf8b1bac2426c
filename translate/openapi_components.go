package translate

// fixedSchemas are the component schemas that every document has: what errors look like.
func fixedSchemas() []member {
	details := newObject(member{"type", "array"}, member{"items", reference("schemas", string(anyName))})
	return []member{
		{string(anyName), anySchema()},
		{statusName, newObject(
			member{"type", "object"},
			member{"description", "What went wrong (AIP-193)."},
			member{"properties", newObject(
				member{"code", described("The code of gRPC, such as 5 for NOT_FOUND.", "integer", "int32")},
				member{"message", described("For developers, in English.", "string", "")},
				member{"details", details},
			)},
			member{"required", []any{"code", "message"}},
		)},
		{ownPrefix + "Problem", problemSchema(details)},
	}
}

const statusName = "google.rpc.Status"

func described(description, kind, format string) *object {
	o := newObject(member{"type", kind})
	o.setText("format", format)
	o.set("description", description)
	return o
}

func problemSchema(details *object) *object {
	return newObject(
		member{"type", "object"},
		member{"description", "What went wrong, as problem details (RFC 9457) for clients that accept them."},
		member{"properties", newObject(
			member{"type", described("Always `about:blank`.", "string", "uri-reference")},
			member{"title", described("What the HTTP status means.", "string", "")},
			member{"status", described("The HTTP status.", "integer", "int32")},
			member{"detail", described("For developers, in English.", "string", "")},
			member{"code", described("The code of gRPC, such as NOT_FOUND.", "string", "")},
			member{"details", details},
		)},
		member{"required", []any{"type", "title", "status", "detail", "code"}},
	)
}

// errorResponse describes every answer that is no success.
func errorResponse() *object {
	c := contentObject(typeJSON, reference("schemas", statusName))
	c.members = append(c.members, contentObject("application/problem+json", reference("schemas", ownPrefix+"Problem")).members...)
	return newObject(
		member{"description", "The call failed."},
		member{"content", c},
	)
}

// maskParameter describes the parameter that chooses fields of the answer. Where the
// request has a field of its name, it is spelled with a dollar.
func maskParameter(name string) *object {
	return newObject(
		member{"name", name},
		member{"in", "query"},
		member{"description", "The fields that the answer shall have, as paths separated by commas. " +
			"All where it is left out. Others are absent then, required or not."},
		member{"schema", newObject(member{"type", "string"})},
	)
}
