//! What can be called.

use crate::link::calls::TELL_SERIES;

macro_rules! questions {
    ($($name:ident = $path:literal,)+) => {
        /// The calls that only look.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Question { $($name,)+ }

        impl Question {
            #[cfg(test)]
            pub(super) const ALL: &'static [(Question, &'static str)] = &[$((Question::$name, $path),)+];

            fn from_path(path: &str) -> Option<Question> {
                match path { $($path => Some(Question::$name),)+ _ => None }
            }
        }
    };
}

questions! {
    ServerLive = "/inference.GRPCInferenceService/ServerLive",
    ServerReady = "/inference.GRPCInferenceService/ServerReady",
    ModelReady = "/inference.GRPCInferenceService/ModelReady",
    ServerMetadata = "/inference.GRPCInferenceService/ServerMetadata",
    ModelMetadata = "/inference.GRPCInferenceService/ModelMetadata",
    ModelConfig = "/inference.GRPCInferenceService/ModelConfig",
    ModelStatistics = "/inference.GRPCInferenceService/ModelStatistics",
    RepositoryIndex = "/inference.GRPCInferenceService/RepositoryIndex",
    RepositoryModelLoad = "/inference.GRPCInferenceService/RepositoryModelLoad",
    RepositoryModelUnload = "/inference.GRPCInferenceService/RepositoryModelUnload",
    SystemSharedMemoryStatus = "/inference.GRPCInferenceService/SystemSharedMemoryStatus",
    SystemSharedMemoryRegister = "/inference.GRPCInferenceService/SystemSharedMemoryRegister",
    SystemSharedMemoryUnregister = "/inference.GRPCInferenceService/SystemSharedMemoryUnregister",
    CudaSharedMemoryStatus = "/inference.GRPCInferenceService/CudaSharedMemoryStatus",
    CudaSharedMemoryRegister = "/inference.GRPCInferenceService/CudaSharedMemoryRegister",
    CudaSharedMemoryUnregister = "/inference.GRPCInferenceService/CudaSharedMemoryUnregister",
    HealthCheck = "/grpc.health.v1.Health/Check",
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    ModelInfer,
    ModelStreamInfer,
    TellSeries,
    SendLabels,
    Ask(Question),
}

impl Method {
    pub(super) fn from_path(path: &str) -> Option<Method> {
        match path {
            "/inference.GRPCInferenceService/ModelInfer" => Some(Method::ModelInfer),
            "/inference.GRPCInferenceService/ModelStreamInfer" => Some(Method::ModelStreamInfer),
            TELL_SERIES => Some(Method::TellSeries),
            "/headrace.v1.Feedback/Send" => Some(Method::SendLabels),
            _ => Question::from_path(path).map(Method::Ask),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_has_its_path() {
        for (question, path) in Question::ALL {
            assert_eq!(Method::from_path(path), Some(Method::Ask(*question)));
        }
        assert_eq!(Method::from_path("/inference.GRPCInferenceService/"), None);
    }
}
