"""The face to the outside: telephone companies and exchanges call here, and are told how a call goes on."""
