package Test::Plum::Session;

# The TLS session of one connection, to be resumed by others, wherever they go
# and whatever name they ask for (IO::Socket::SSL would keep it for the same
# host and port).
#
#   my $session = Test::Plum::Session->new;
#   $t->client('tls', tls => {$session->options})->request(...);
#   $t->client('other', tls => {$session->options})->request(...);
#
# The first connection's last session is kept; later connections offer that
# one, and not what they are given themselves.

use strict;
use warnings;

use Net::SSLeay ();


sub new { return bless {}, $_[0] }


# for IO::Socket::SSL

sub options {
    my ($self) = @_;
    return SSL_session_cache => $self, SSL_session_key => 'session';
}


# What IO::Socket::SSL asks of a cache of sessions.  OpenSSL does not offer a
# session again whose connection was closed in a hurry: a copy knows nothing
# of that.

sub get_session {
    my ($self) = @_;

    my $bytes = $self->{bytes} or return;
    $self->{offered} = 1;
    return Net::SSLeay::d2i_SSL_SESSION($bytes);
}


sub add_session {
    my ($self, $key, $session) = @_;

    $self->{bytes} = Net::SSLeay::i2d_SSL_SESSION($session)
        if !$self->{offered};
    return;
}


sub del_session { return 1 }

1;
