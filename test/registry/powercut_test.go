package registry

const writerVariable = "STORE_WRITER"

func writeStore(string) {}
