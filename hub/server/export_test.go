package server

// Forwarded is forwarded, for tests from outside.
var Forwarded = forwarded
