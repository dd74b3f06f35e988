//! One E-UTRAN vector: crate milenage, the AuC's own path, and oxirush-security. Run with
//! `cargo bench -p icf-auc --bench vector`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use icf_auc::auc::{
    amf::Amf,
    keys::SubscriberKeys,
    random::{OsRand, RandSource},
    resync::{Auts, ResynchronizationInfo, verify},
    sqn::Sqn,
    vector::{EutranVector, UtranVector, kasme},
};
use oxirush_security::{milenage as oxirush, nas_eps};
use schemas::{identity::Plmn, secret::Key128};

fn vectors(c: &mut Criterion) {
    let (k, opc, rand) = ([0x46; 16], [0xcd; 16], [0x23; 16]);
    let keys = SubscriberKeys::from_opc(Key128::new(k), Key128::new(opc));
    let prepared = keys.prepare();
    let (Some(sqn), Ok(plmn)) = (Sqn::new(0xff9b_b4d0_b607), Plmn::from_octets([0x99, 0xf9, 0x17])) else {
        return;
    };

    let mut group = c.benchmark_group("eutran_vector");
    group.bench_function("crate_milenage", |b| {
        b.iter(|| {
            let mut milenage = milenage::Milenage::new_with_opc(black_box(k), opc);
            let mac_a = milenage.f1(&rand, &sqn.octets(), &Amf::EUTRAN.octets());
            let (res, ck, ik, ak) = milenage.f2345(&rand);
            let concealed = sqn.xor(Sqn::from_octets(ak)).octets();
            (mac_a, res, kasme(&ck, &ik, plmn, concealed))
        });
    });
    group.bench_function("prepared_keys", |b| {
        b.iter(|| EutranVector::generate(black_box(&prepared), black_box(rand), sqn, Amf::EUTRAN, plmn));
    });
    group.bench_function("prepare_and_generate", |b| {
        b.iter(|| EutranVector::generate(&black_box(&keys).prepare(), rand, sqn, Amf::EUTRAN, plmn));
    });
    group.bench_function("prepared_keys_with_os_rand", |b| {
        b.iter(|| {
            let rand = OsRand.rand()?;
            Ok::<_, icf_auc::auc::random::RandUnavailable>(EutranVector::generate(
                black_box(&prepared),
                rand,
                sqn,
                Amf::EUTRAN,
                plmn,
            ))
        });
    });
    let usim = oxirush::Milenage::new(&oxirush::K::new(&k), &oxirush::Opc::new(&opc));
    let (their_rand, their_amf) = (oxirush_security::Rand::new(&rand), oxirush::Amf::new(&[0x80, 0]));
    if let (Ok(their_sqn), Ok(network)) =
        (oxirush::Sqn::try_from(sqn.value()), oxirush_security::Plmn::new("999", "71"))
    {
        group.bench_function("oxirush_security", |b| {
            b.iter(|| {
                let vector = usim.authentication_vector(black_box(&their_rand), &their_sqn, &their_amf);
                nas_eps::derive_kasme(vector.ck(), vector.ik(), network, vector.autn())
            });
        });
    }
    group.finish();

    let mut group = c.benchmark_group("parts");
    group.bench_function("prepare", |b| b.iter(|| black_box(&keys).prepare()));
    group.bench_function("utran_vector", |b| {
        b.iter(|| UtranVector::generate(black_box(&prepared), black_box(rand), sqn, Amf::EUTRAN));
    });
    group.bench_function("kasme", |b| b.iter(|| kasme(black_box(&k), &opc, plmn, sqn.octets())));
    group.bench_function("os_rand", |b| b.iter(|| OsRand.rand()));
    let info = ResynchronizationInfo { rand, auts: Auts([7; 14]) };
    group.bench_function("verify_auts", |b| b.iter(|| verify(&prepared, black_box(&info))));
    group.finish();
}

criterion_group!(benches, vectors);
criterion_main!(benches);
