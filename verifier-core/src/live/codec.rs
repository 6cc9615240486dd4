//! Protobuf messages as tonic sends and takes them.

use std::marker::PhantomData;

use prost::Message;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// Sends a `Q`, takes an `A`.
pub(super) struct Protobuf<Q, A>(PhantomData<fn(Q) -> A>);

/// One direction of [`Protobuf`].
pub(super) struct Side<T>(PhantomData<fn(T)>);

impl<Q, A> Protobuf<Q, A> {
    pub(super) fn new() -> Self {
        Protobuf(PhantomData)
    }
}

impl<Q: Message + 'static, A: Message + Default + 'static> Codec for Protobuf<Q, A> {
    type Encode = Q;
    type Decode = A;
    type Encoder = Side<Q>;
    type Decoder = Side<A>;

    fn encoder(&mut self) -> Side<Q> {
        Side(PhantomData)
    }

    fn decoder(&mut self) -> Side<A> {
        Side(PhantomData)
    }
}

impl<T: Message> Encoder for Side<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, item: T, buf: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(buf).map_err(|why| Status::internal(why.to_string()))
    }
}

impl<T: Message + Default> Decoder for Side<T> {
    type Item = T;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<T>, Status> {
        T::decode(buf).map(Some).map_err(|why| Status::internal(why.to_string()))
    }
}
